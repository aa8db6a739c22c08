"""Sends what is due: one delivery at a time per endpoint, in order, and endpoints side by side.

One replica dispatches at a time, so that no two send to the same endpoint. A lane that has nothing
to do rests in no memory: a timer of the broker, or the fact of a new delivery, wakes it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from cachetools import LRUCache
from sqlalchemy.exc import SQLAlchemyError

from services.webhooks.ports import (
    Alarm,
    AwaitShown,
    Head,
    Lane,
    Lanes,
    Leadership,
    Pending,
    Timers,
)
from shared.contracts.base import Recorded
from shared.contracts.webhooks import DeliveryScheduled, RedeliveryRequested, WebhookUpdated
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError, Unavailable
from shared.runtime.clock_watch import ClockWatch

log = logging.getLogger(__name__)

AT_ONCE = 80
"""Attempts at a time, of all tenants; the client opens a hundred connections."""
OF_ONE_TENANT = 16
"""So many of a tenant's receivers may hang without holding up another of its own, and no number
of them holds up another tenant's.
"""
SHOWN_SECONDS = 30.0
SOON = timedelta(seconds=2)
"""Waited for here: the broker's clock may be a little before ours."""
RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
AWAY = (MiniRagError, SQLAlchemyError, OSError, TimeoutError)
"""What is raised while the broker or the database is away."""
LOOK_SECONDS = 1.0
GLANCE_SECONDS = 0.05
RESTED = 10_000
"""Lanes of which it is remembered until when they rest."""

Deliver = Callable[[Lane, Pending], Awaitable[bool]]


class WakeLane:
    """A new delivery, or an endpoint that was switched on, wakes the lane."""

    def __init__(self, alarm: Alarm, await_shown: AwaitShown) -> None:
        self._alarm = alarm
        self._await_shown = await_shown

    async def __call__(
        self, recorded: Recorded[DeliveryScheduled | RedeliveryRequested | WebhookUpdated]
    ) -> None:
        """Raise `Unavailable` while nobody dispatches, or the delivery is not shown yet."""
        match recorded.event:
            case DeliveryScheduled(test=True):
                return
            case DeliveryScheduled() | RedeliveryRequested():
                if await self._await_shown(recorded.sequence, SHOWN_SECONDS) < recorded.sequence:
                    raise Unavailable("the delivery is not shown yet")
            case WebhookUpdated(settings=settings):
                if not settings.is_active:
                    return
        await self._alarm.wake(Lane(recorded.tenant_id, recorded.event.webhook_id))


class Dispatch:
    """Runs the lanes while this replica is the one to do so."""

    patience = SOON.total_seconds()
    """Seconds before a timer that has gone off is set once more for the same time."""

    def __init__(
        self, leadership: Leadership, lanes: Lanes, timers: Timers, deliver: Deliver
    ) -> None:
        self._leadership = leadership
        self._lanes = lanes
        self._timers = timers
        self._deliver = deliver
        self._running: set[Lane] = set()
        self._again: set[Lane] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._rested: LRUCache[Lane, datetime] = LRUCache(RESTED)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._of_tenant: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def run(self, stopping: asyncio.Event) -> None:
        """Dispatch until `stopping` is set, then finish the attempts that were begun."""
        async with asyncio.TaskGroup() as tasks:
            leading = tasks.create_task(self._lead_again_and_again())
            await stopping.wait()
            self._stopping = True
            await self._idle.wait()
            leading.cancel()

    async def _lead_again_and_again(self) -> None:
        while True:
            try:
                async with self._leadership.leading() as still:
                    await self._lead(still)
            except AWAY as error:
                log.warning("dispatch starts again", extra={"error": str(error)})
            await asyncio.sleep(RETRY_SECONDS)

    async def _lead(self, still: Callable[[], Awaitable[None]]) -> None:
        log.info("this replica dispatches webhooks")
        try:
            async with asyncio.TaskGroup() as tasks:

                async def woken(lane: Lane) -> None:
                    self._wake(lane, tasks)

                async with self._leadership.hear(woken):
                    watch = ClockWatch()
                    for lane in await self._lanes.lanes():
                        self._wake(lane, tasks)
                    while True:
                        await still()
                        await asyncio.sleep(LOOK_SECONDS)
                        if watch.jumped():  # what is due by now no timer may tell for long
                            for lane in await self._lanes.lanes():
                                self._wake(lane, tasks)
        except* AWAY as errors:
            raise Unavailable(str(errors.exceptions[0])) from errors

    def _wake(self, lane: Lane, tasks: asyncio.TaskGroup) -> None:
        if lane in self._running:
            self._again.add(lane)
            return
        self._running.add(lane)
        self._idle.clear()
        tasks.create_task(self._run(lane))

    async def _run(self, lane: Lane) -> None:
        """Until nothing is left to do now; what comes meanwhile is looked at as well."""
        delay = RETRY_SECONDS
        try:
            while not self._stopping:
                self._again.discard(lane)
                try:  # whatever it is, one lane must not stop the others
                    await self._drain(lane)
                except Exception as error:
                    expected = isinstance(error, AWAY)
                    log.warning(
                        "lane starts again", extra=_about(lane, error), exc_info=not expected
                    )
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, LONGEST_RETRY_SECONDS)
                    continue
                if lane not in self._again:
                    return
        finally:
            self._running.discard(lane)
            self._again.discard(lane)
            if not self._running:
                self._idle.set()

    async def _drain(self, lane: Lane) -> None:
        while not self._stopping:
            head = await self._lanes.head_of(lane, utc_now())
            pending = head.pending
            if pending is None or pending.due_at - utc_now() > SOON:
                await self._rest(lane, head)
                return
            await asyncio.sleep(max(0.0, (pending.due_at - utc_now()).total_seconds()))
            async with self._place_of(lane.tenant_id), self._places:
                if not await self._deliver(lane, pending):
                    return

    async def _rest(self, lane: Lane, head: Head) -> None:
        if (until := head.rests_until) is None:
            return
        if self._rested.get(lane) == until:
            # By the broker's clock it may have come, and the timer would wake us at once for ever.
            waits = asyncio.get_running_loop().time() + self.patience
            while asyncio.get_running_loop().time() < waits:
                if self._stopping or lane in self._again:
                    return
                await asyncio.sleep(GLANCE_SECONDS)
        self._rested[lane] = until
        await self._timers.set(lane, until)

    def _place_of(self, tenant_id: str) -> asyncio.Semaphore:
        place = self._of_tenant.get(tenant_id)
        if place is None:
            place = self._of_tenant[tenant_id] = asyncio.Semaphore(OF_ONE_TENANT)
        return place


def _about(lane: Lane, error: Exception) -> dict[str, str]:
    return {"tenant": lane.tenant_id, "webhook": lane.webhook_id, "error": repr(error)}
