"""How facts about sources become schedules, and schedules the one timer that is right."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduler.domain import Idle, Waiting, schedule_decider
from services.scheduler.reactions import Fire, ScheduleSources, SetTimers, rule_of
from shared.contracts.base import Command, Done, Event, Metadata
from shared.contracts.ingest import SourceCreated, SourceDeleted, SourceSettings, SourceUpdated
from shared.contracts.scheduler import Rule, ScheduleEvent, ScheduleFired, ScheduleSet
from shared.runtime.timers import Tick
from tests.unit.samples import T0, TENANT, metadata, recorded

SLOT = T0.replace(hour=13, minute=0)
DAY = timedelta(days=1)
CRON = Rule(cron="0 13 * * *")
SETTINGS = SourceSettings(name="Guide", refresh_cron="0 13 * * *")


def created(settings: SourceSettings = SETTINGS) -> SourceCreated:
    return SourceCreated(source_id="s1", bot_profile_id="b1", source_type="url", settings=settings)


def updated(**changes: Any) -> SourceUpdated:
    settings = SETTINGS.model_copy(update=changes)
    return SourceUpdated(source_id="s1", bot_profile_id="b1", settings=settings)


DELETED = SourceDeleted(source_id="s1", bot_profile_id="b1")


@dataclass
class Log:
    """One schedule, decided and evolved for real; every command once, by its id."""

    history: list[ScheduleEvent] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    now: datetime = T0

    @property
    def state(self) -> Idle | Waiting:
        return schedule_decider.fold(self.history)

    async def current(self, aggregate: str, tenant: str, aggregate_id: str) -> Any:
        assert (aggregate, tenant, aggregate_id) == ("schedule", TENANT, "s1")
        return self.state

    async def execute(self, command: Command, cause: Metadata, purpose: str) -> Done:
        if (name := f"{cause.message_id} {purpose}") not in self.done:
            self.done.add(name)
            meta = metadata(name, now=self.now)
            self.history += schedule_decider.decide(self.state, command, meta)  # type: ignore[arg-type]  # of a schedule
        return Done(position=1)


@dataclass
class BrokerTimers:
    """What the broker keeps; calls `meanwhile` once, before it takes the first timer."""

    kept: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)
    meanwhile: Callable[[], None] | None = None

    async def set(
        self, kind: str, timer_id: str, at: datetime, cause: Metadata, body: bytes = b""
    ) -> None:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        assert (kind, cause.tenant_id) == ("schedule", TENANT)
        self.kept[timer_id] = (at, body)

    async def cancel(self, tenant_id: str, kind: str, timer_id: str) -> None:
        assert (kind, tenant_id) == ("schedule", TENANT)
        self.kept.pop(timer_id, None)

    def tick(self) -> Tick:
        """Of the timer that is set: it goes off and is gone."""
        _, body = self.kept.pop("s1")
        return Tick("s1", body, metadata("set"))


class TestWhatASourceSays:
    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({}, CRON),
            (
                {"refresh_time_zone": "Europe/Berlin"},
                Rule(cron=CRON.cron, time_zone="Europe/Berlin"),
            ),
            ({"refresh_cron": None, "refresh_schedule": "weekly"}, Rule(every="weekly")),
            ({"refresh_cron": None, "refresh_schedule": "none"}, None),
            ({"refresh_cron": None}, None),
            ({"is_active": False}, None),
        ],
    )
    def test_becomes_a_rule(self, changes: dict[str, Any], rule: Rule | None) -> None:
        assert rule_of(SETTINGS.model_copy(update=changes)) == rule

    async def test_is_followed_by_its_schedule(self) -> None:
        log = Log()
        react = ScheduleSources(log.execute)
        facts: list[SourceCreated | SourceUpdated | SourceDeleted] = [
            created(),
            updated(name="Other"),
            updated(refresh_cron=None),
            updated(refresh_cron="0 14 * * *"),
            DELETED,
        ]
        due: list[datetime | None] = []
        for sequence, fact in enumerate(facts, 1):
            about = recorded(fact, sequence)
            meta = metadata(f"source {sequence}")
            await react(type(about)(fact, meta, about.event_id, sequence))
            due.append(log.state.next_at if isinstance(log.state, Waiting) else None)
        assert due == [SLOT, SLOT, None, SLOT + timedelta(hours=1), None]

    async def test_a_new_source_without_a_rule_orders_nothing(self) -> None:
        log = Log()
        schedule = ScheduleSources(log.execute)
        await schedule(recorded(created(SourceSettings(name="Guide"))))
        assert not log.done
        await schedule(recorded(updated(refresh_cron=None)))
        assert len(log.done) == 1

    async def test_a_rule_that_cannot_be_kept_cancels_the_one_before(self) -> None:
        log = Log([ScheduleSet(schedule_id="s1", rule=CRON, as_of=1, next_at=SLOT)])
        await ScheduleSources(log.execute)(recorded(updated(refresh_cron="gone"), 2))
        assert isinstance(log.state, Idle)


class TestTimers:
    async def test_are_set_for_the_next_slot_and_cancelled_with_it(self) -> None:
        log, timers = Log(), BrokerTimers()
        arm = SetTimers(log.current, timers)
        log.history = [ScheduleSet(schedule_id="s1", rule=CRON, as_of=1, next_at=SLOT)]
        await arm(recorded(log.history[0]))
        assert timers.kept == {"s1": (SLOT, SLOT.isoformat().encode())}
        log.history = []
        await arm.arm("s1", metadata())
        assert timers.kept == {}

    async def test_what_comes_while_one_is_set_is_set_after_it(self) -> None:
        log, timers = Log(), BrokerTimers()
        first = ScheduleSet(schedule_id="s1", rule=CRON, as_of=1, next_at=SLOT)
        log.history = [first]
        later = first.model_copy(update={"as_of": 2, "next_at": SLOT + DAY})
        timers.meanwhile = lambda: log.history.append(later)
        await SetTimers(log.current, timers)(recorded(first))
        assert timers.kept["s1"][0] == SLOT + DAY

    async def test_are_all_set_anew_when_the_service_starts(self) -> None:
        timers = BrokerTimers()

        async def waiting() -> Any:
            yield TENANT, "s1", SLOT

        await SetTimers(Log().current, timers).arm_all(waiting, lambda: T0)
        assert timers.kept == {"s1": (SLOT, SLOT.isoformat().encode())}


class TestATimerThatGoesOff:
    async def test_fires_its_slot_once_however_often_it_is_heard(self) -> None:
        log, timers = Log(), BrokerTimers()
        arm = SetTimers(log.current, timers)
        log.history = [ScheduleSet(schedule_id="s1", rule=CRON, as_of=1, next_at=SLOT)]
        await arm(recorded(log.history[0]))
        fire, tick = Fire(log.execute, arm), timers.tick()
        log.now = SLOT
        for _ in range(3):
            await fire(tick)
        assert names(log.history) == ["set", "fired"]
        assert timers.kept["s1"][0] == SLOT + DAY

    async def test_a_stale_one_fires_nothing_and_sets_the_right_one(self) -> None:
        log, timers = Log(), BrokerTimers()
        log.history = [
            ScheduleSet(schedule_id="s1", rule=CRON, as_of=1, next_at=SLOT),
            ScheduleFired(schedule_id="s1", rule=CRON, slot=SLOT, next_at=SLOT + DAY),
        ]
        fire = Fire(log.execute, SetTimers(log.current, timers))
        await fire(Tick("s1", SLOT.isoformat().encode(), metadata("old")))
        assert names(log.history) == ["set", "fired"]
        assert timers.kept["s1"][0] == SLOT + DAY

    async def test_one_that_is_cancelled_meanwhile_fires_nothing(self) -> None:
        log, timers = Log(), BrokerTimers()
        fire = Fire(log.execute, SetTimers(log.current, timers))
        await fire(Tick("s1", SLOT.isoformat().encode(), metadata("old")))
        assert (log.history, timers.kept) == ([], {})


def names(events: list[Any]) -> list[str]:
    return [event.name for event in events if isinstance(event, Event)]
