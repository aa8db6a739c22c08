"""Notices that the machine's clock was set, which no count of seconds takes part in.

What was to happen at a time is then an hour off, if that is how far the clock was set: the broker's
timers by their count if it was put forward, and by the clock if it was put back.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from shared.kernel.clock import utc_now

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
JUMP = timedelta(seconds=5)
"""What is less is a clock that is kept right bit by bit."""

Then = Callable[[timedelta], Awaitable[None]]


class ClockWatch:
    """Compares the clock with the count of seconds, which goes on as it did."""

    def __init__(
        self,
        now: Callable[[], datetime] = utc_now,
        count: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._count = count
        self._began = self._beginning()

    def jumped(self) -> timedelta:
        """By how much the clock was set since the last look; back is less than nothing."""
        before, self._began = self._began, self._beginning()
        by = self._began - before
        return by if abs(by) >= JUMP else timedelta()

    def _beginning(self) -> datetime:
        """What the clock said when the count of seconds began."""
        return self._now() - timedelta(seconds=self._count())


async def when_set(
    then: Then, watch: ClockWatch | None = None, every: float = LOOK_SECONDS
) -> None:
    """For ever: once the clock was set, do something about it, until that is done."""
    watch, due = watch or ClockWatch(), timedelta()
    while True:
        await asyncio.sleep(every)
        if by := watch.jumped():
            log.warning("the clock was set", extra={"seconds": by.total_seconds()})
            due += by
        if due:
            try:
                await then(due)
            except Exception as error:  # noqa: BLE001  whatever is away, it is tried again
                log.warning("timers are not set anew yet", extra={"error": repr(error)})
            else:
                due = timedelta()


class Timers(Protocol):
    """Of the broker."""

    async def hurry(self, kind: str, by: timedelta) -> None: ...


def hurrying(timers: Timers, *kinds: str) -> Then:
    """Has timers that count seconds go off as soon as they were to before a clock was put back."""

    async def hurry(by: timedelta) -> None:
        if by < timedelta():
            for kind in kinds:
                await timers.hurry(kind, -by)

    return hurry
