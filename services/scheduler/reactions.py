"""How facts about sources become schedules, schedules timers, and timers facts.

A timer may be lost or stale where two replicas set it at the same time, but never for good: who
sets one looks again afterwards, and who is woken by a stale one sets the right one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from services.scheduler.domain import Idle, Waiting
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.gateway_erasure import RetentionSet
from shared.contracts.ingest import SourceCreated, SourceDeleted, SourceSettings, SourceUpdated
from shared.contracts.scheduler import (
    CancelSchedule,
    FireSchedule,
    Rule,
    ScheduleCancelled,
    ScheduleFired,
    ScheduleSet,
    SetSchedule,
)
from shared.kernel import faults
from shared.kernel.errors import Refused
from shared.kernel.faults import FaultPoint
from shared.kernel.ids import derived_id

KIND = "schedule"
"""Of the timers."""

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
Now = Callable[[], datetime]
AllWaiting = Callable[[], AsyncIterator[tuple[str, str, datetime]]]


class Timers(Protocol):
    """Of the broker."""

    async def set(
        self, kind: str, timer_id: str, at: datetime, cause: Metadata, body: bytes = b""
    ) -> None: ...

    async def cancel(self, tenant_id: str, kind: str, timer_id: str) -> None: ...


class Tick(Protocol):
    """A timer that went off."""

    @property
    def timer_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def metadata(self) -> Metadata: ...


class ScheduleSources:
    """A source's settings say when it is to be refreshed."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def __call__(
        self, recorded: Recorded[SourceCreated | SourceUpdated | SourceDeleted]
    ) -> None:
        event = recorded.event
        rule = None if isinstance(event, SourceDeleted) else rule_of(event.settings)
        if rule is None and isinstance(event, SourceCreated):
            return  # nothing can have been set before it
        command: Command
        if rule is None:
            command = CancelSchedule(schedule_id=event.source_id, as_of=recorded.sequence)
        else:
            command = SetSchedule(schedule_id=event.source_id, rule=rule, as_of=recorded.sequence)
        try:
            await self._execute(command, recorded.metadata, f"schedule {event.source_id}")
        except Refused:
            # Ingest takes no rule without times; a zone that is gone from the world ends here.
            await self._execute(
                CancelSchedule(schedule_id=event.source_id, as_of=recorded.sequence),
                recorded.metadata,
                f"no schedule {event.source_id}",
            )


class ScheduleRetention:
    """While a tenant keeps something for a time only, it is looked at once a day.

    The schedule has the id of the tenant.
    """

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def __call__(self, recorded: Recorded[RetentionSet]) -> None:
        tenant_id, as_of = recorded.tenant_id, recorded.sequence
        command: Command
        if not recorded.event.limited:
            command = CancelSchedule(schedule_id=tenant_id, as_of=as_of)
        else:
            command = SetSchedule(schedule_id=tenant_id, rule=Rule(every="daily"), as_of=as_of)
        await self._execute(command, recorded.metadata, "schedule retention")


def rule_of(settings: SourceSettings) -> Rule | None:
    """When a source with these settings is to be refreshed; None: never by itself."""
    if not settings.is_active:
        return None
    if settings.refresh_cron is not None:
        return Rule(cron=settings.refresh_cron, time_zone=settings.refresh_time_zone or "UTC")
    every = settings.refresh_schedule
    return None if every is None or every == "none" else Rule(every=every)


class SetTimers:
    """The broker wakes us when the next slot comes."""

    def __init__(self, current: Current, timers: Timers) -> None:
        self._current = current
        self._timers = timers

    async def __call__(
        self, recorded: Recorded[ScheduleSet | ScheduleCancelled | ScheduleFired]
    ) -> None:
        await self.arm(recorded.event.schedule_id, recorded.metadata)

    async def arm(self, schedule_id: str, cause: Metadata) -> None:
        """Set or cancel the timer until it is what the schedule says."""
        tenant_id = cause.tenant_id
        schedule = await self._current("schedule", tenant_id, schedule_id)
        while True:
            if isinstance(schedule, Waiting):
                body = schedule.next_at.isoformat().encode()
                await self._timers.set(KIND, schedule_id, schedule.next_at, cause, body)
            else:
                await self._timers.cancel(tenant_id, KIND, schedule_id)
            # Somebody else may have set the timer by what came after, before we did by this.
            after = await self._current("schedule", tenant_id, schedule_id)
            if _due(after) == _due(schedule):
                return
            schedule = after

    async def arm_all(self, waiting: AllWaiting, now: Now) -> None:
        """Set the timers of all schedules: the broker's stream of timers may have been lost."""
        async for tenant_id, schedule_id, next_at in waiting():
            cause = Metadata(
                tenant_id=tenant_id,
                message_id=derived_id("arm", schedule_id, next_at.isoformat()),
                correlation_id=schedule_id,
                actor="service/scheduler",
                now=now(),
            )
            body = next_at.isoformat().encode()
            await self._timers.set(KIND, schedule_id, next_at, cause, body)


class Fire:
    """A timer went off: its slot has come, once, whoever hears it how often."""

    def __init__(self, execute: Execute, set_timers: SetTimers) -> None:
        self._execute = execute
        self._set_timers = set_timers

    async def __call__(self, tick: Tick) -> None:
        slot, schedule_id = datetime.fromisoformat(tick.body.decode()), tick.timer_id
        # The command's id follows from schedule and slot, whatever the timer was set because of.
        cause = tick.metadata.model_copy(
            update={"message_id": derived_id("slot", schedule_id, slot.isoformat())}
        )
        faults.passed(FaultPoint.SCHEDULE_WOKEN)
        await self._execute(FireSchedule(schedule_id=schedule_id, slot=slot), cause, "fire")
        faults.passed(FaultPoint.SCHEDULE_FIRED)
        await self._set_timers.arm(schedule_id, cause)


def _due(schedule: Idle | Waiting) -> datetime | None:
    return schedule.next_at if isinstance(schedule, Waiting) else None
