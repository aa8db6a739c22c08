"""Places for work that is done at the same time, shared fairly.

Who finds none free waits. Places that come free go to those who wait in turn, one owner after the
other, so that an owner who brings much work waits for that, and not the others for him.

Waiting is for bursts. If work of an owner has waited all the time for a while, more comes than is
done: then whatever comes is sent away after a moment, as a long queue would make all of it wait and
would get no more of it done. That is the controlled delay of Nichols and Jacobson (ACM Queue 10(5),
2012) at its simplest.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PATIENCE = 5.0
"""Seconds that work waits in a burst, and how long one lasts at most."""
BRIEF = 0.25
"""Seconds that work waits when its owner's has waited for longer than that."""
LONGEST = 1_000
"""How much of one owner's work waits at most."""


@dataclass
class Queue:
    """An owner's work that waits, oldest first."""

    since: float
    """From when on some has waited all the time."""
    futures: dict[asyncio.Future[bool], None] = field(default_factory=dict)


class Places:
    """`most` places, of which one owner has half at most: slow clients of one stop no other."""

    def __init__(
        self,
        most: int,
        *,
        patience: float = PATIENCE,
        brief: float = BRIEF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._share = max(1, most // 2)
        self._patience = patience
        self._brief = brief
        self._clock = clock
        self._held: dict[str, int] = {}
        self._taken = 0
        self._queues: dict[str, Queue] = {}
        """In the order in which owners are served."""

    async def take(self, owner: str) -> bool:
        """Take a place, to be given back; False if none came free in time."""
        if self._has_room(owner):
            self._hold(owner)
            return True
        queue = self._queues.setdefault(owner, Queue(self._clock()))
        if len(queue.futures) >= LONGEST:
            return False
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        queue.futures[future] = None
        lasts = self._clock() - queue.since > self._patience
        timer = loop.call_later(self._brief if lasts else self._patience, _give_up, future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.result():
                self.give(owner)
            raise
        finally:
            timer.cancel()
            queue.futures.pop(future, None)
            if not queue.futures and self._queues.get(owner) is queue:
                del self._queues[owner]

    def give(self, owner: str) -> None:
        """Give a place back, to whoever is next."""
        self._taken -= 1
        self._held[owner] -= 1
        if self._held[owner] == 0:
            del self._held[owner]
        while (following := self._next()) is not None:
            queue = self._queues.pop(following)
            future = next(iter(queue.futures))
            del queue.futures[future]
            if queue.futures:
                self._queues[following] = queue  # behind the others
            if not future.done():
                self._hold(following)
                future.set_result(True)

    def _next(self) -> str | None:
        return next((owner for owner in self._queues if self._has_room(owner)), None)

    def _has_room(self, owner: str) -> bool:
        return self._taken < self._most and self._held.get(owner, 0) < self._share

    def _hold(self, owner: str) -> None:
        self._taken += 1
        self._held[owner] = self._held.get(owner, 0) + 1


def _give_up(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(False)
