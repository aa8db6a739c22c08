"""Places for work that is done at the same time, shared fairly by those whose work it is.

There are as many as keep the event loop busy, and no more: a request takes some turns of the
loop, and a turn is as long as there is other work in it. Whoever comes while enough is worked on,
or was begun in this turn, waits, and is let in by fair turns: when something is done, when the next
turn comes, and when the loop would have nothing to do. The last makes the number adapt itself. Work
that waits for a database or a model leaves the loop idle, and more is let in; when the loop is the
narrow place a few suffice, and whoever asks seldom waits for one of them, not for all that the
others ask.

Waiting is for bursts. If some of an owner's work has waited all the time for a while, more comes
than is done, and a long line would make all of it wait and get no more of it done: then what comes
is refused at once while the line is longer than it must be. That is the standing queue of Nichols
and Jacobson (ACM Queue 10(5), 2012).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect

from shared.web.fair_queue import FairQueue

ALWAYS = 4
"""So much is worked on however busy the loop is with other things."""
A_TURN = 2
"""So much is begun in one turn of the loop. What is answered from memory is done within the turn,
and holds no place when the next one comes: without this, all that a turn finds in the sockets would
be done in it, in whatever order it came, and nobody would stand in a line."""
IDLE_SECONDS = 0.00002
"""A turn of the loop that is shorter had no work in it: an empty one takes a tenth of that."""
PAUSE_SECONDS = 0.001
"""Between two that are let in as the loop is idle: it is for a moment with every answer of a
database, and much that was let in meanwhile would come back from there together."""
LONG_SECONDS = 0.25
"""Work that is not done by then mostly waits for something, and counts as no burden of the loop."""
PATIENCE = 5.0
"""Seconds that work waits."""
BURST = 1.0
"""Seconds from when on a line that is always there is no burst."""
LONGEST = 500
"""How much of one owner's work waits at most."""
MOST = 5_000
"""How much waits at most, whoever's it is; an owner who has none waiting may always begin."""


@dataclass(slots=True, eq=False)
class Place:
    """Somebody's, until it is given back."""

    owner: str
    since: float
    burdens: bool = True
    """Whether it counts as work that keeps the loop busy."""


Waiting = asyncio.Future[Place | None]
OnLeaving = Callable[[Callable[[], None]], None]
"""Is given whatever is to be called if the client goes while it waits."""


class Places:
    """At most `most`, of which one owner has half: slow clients of one stop no other."""

    def __init__(
        self,
        most: int,
        *,
        always: int = ALWAYS,
        a_turn: int = A_TURN,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._share = max(1, most // 2)
        self._always = always
        self._a_turn = a_turn
        self._patience = patience
        self._clock = clock
        self._held: dict[str, int] = {}
        self._taken = 0
        self._recent: deque[Place] = deque()
        """Places by when they were taken, from the oldest that may be a burden."""
        self._burdens = 0
        self._begun = 0
        """In this turn of the loop, whether it is still worked on or not."""
        self._queue: FairQueue[Waiting] = FairQueue()
        self._standing: dict[str, float] = {}
        """From when on some work of an owner has waited all the time."""
        self._watching = False
        self._turned = 0.0

    @property
    def crowded(self) -> bool:
        """Whether so many wait that somebody may be refused."""
        return len(self._queue) >= self._share

    def refuses(self, owner: str) -> bool:
        """Whether what an owner brings now is too much to wait."""
        waiting = self._queue.waiting(owner)
        if waiting < self._share:
            return waiting > 0 and len(self._queue) >= MOST
        return waiting >= LONGEST or self._clock() - self._standing[owner] > BURST

    async def take(self, owner: str, on_leaving: OnLeaving | None = None) -> Place | None:
        """Take a place, to be given back; None if there is none in time.

        Raises `ClientDisconnect` if the client goes meanwhile.
        """
        if not self._queue and self._unburdened() and self._has_room(owner):
            return self._hold(owner)
        if self.refuses(owner):
            return None
        loop = asyncio.get_running_loop()
        waiting: Waiting = loop.create_future()
        self._standing.setdefault(owner, self._clock())
        self._queue.push(owner, waiting)
        self._watch()
        gone = False

        def leave() -> None:
            nonlocal gone
            if not waiting.done():
                gone = True
                waiting.set_result(None)

        if on_leaving is not None:
            on_leaving(leave)
        timer = loop.call_later(self._patience, _give_up, waiting)
        place: Place | None = None
        try:
            place = await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and (late := waiting.result()):
                self.give(late)
            raise
        finally:
            timer.cancel()
            if place is None:
                self._queue.drop(owner, waiting)
                self._look(owner)
        if gone:
            raise ClientDisconnect
        return place

    def give(self, place: Place) -> None:
        """Give a place back, to whoever is next."""
        self._taken -= 1
        self._held[place.owner] -= 1
        if self._held[place.owner] == 0:
            del self._held[place.owner]
        self._relieve(place)
        self._fill()
        self._watch()

    def _next_turn(self) -> None:
        self._begun = 0
        self._fill()

    def _fill(self) -> None:
        """Let in as many as may be worked on."""
        while self._queue and self._unburdened() and self._admit():
            pass

    def _admit(self) -> bool:
        """Let the next one in, if there is one who may have a place."""
        while (found := self._queue.pop(self._has_room)) is not None:
            owner, waiting = found
            self._look(owner)
            if not waiting.done():
                waiting.set_result(self._hold(owner))
                return True
        return False

    def _watch(self) -> None:
        """See how long the loop takes to come around, while somebody could be let in."""
        if self._queue and self._taken < self._most and not self._watching:
            self._watching = True
            self._begin_turn()

    def _begin_turn(self) -> None:
        self._turned = self._clock()
        asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._watching = False
        idle = self._clock() - self._turned < IDLE_SECONDS
        if (idle or self._unburdened()) and not self._admit():
            return  # whoever waits has all that one may have, until it gives some back
        if idle and self._queue:
            self._watching = True
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._again)
        else:
            self._watch()

    def _again(self) -> None:
        self._watching = False
        self._watch()

    def _unburdened(self) -> bool:
        """Whether the loop may be given more to do in this turn."""
        if self._begun >= self._a_turn:
            return False
        long_ago = self._clock() - LONG_SECONDS
        while self._recent and (not self._recent[0].burdens or self._recent[0].since < long_ago):
            self._relieve(self._recent.popleft())
        return self._burdens < self._always

    def _relieve(self, place: Place) -> None:
        self._burdens -= place.burdens
        place.burdens = False

    def _has_room(self, owner: str) -> bool:
        return self._taken < self._most and self._held.get(owner, 0) < self._share

    def _hold(self, owner: str) -> Place:
        place = Place(owner, self._clock())
        self._taken += 1
        self._held[owner] = self._held.get(owner, 0) + 1
        self._recent.append(place)
        self._burdens += 1
        if self._begun == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._begun += 1
        return place

    def _look(self, owner: str) -> None:
        """Whether some of an owner's work still waits."""
        if not self._queue.waiting(owner):
            self._standing.pop(owner, None)


def _give_up(waiting: Waiting) -> None:
    if not waiting.done():
        waiting.set_result(None)
