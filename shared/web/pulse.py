"""Whether the core that turns the event loop has more to do than it can.

One turn runs everything that is ready. With a handful of requests that takes a millisecond or two;
where it takes longer, each of them waits for all others, whoever they are of. A look is a callback
that notes how long it had to wait for its turn: it costs next to nothing, and sees other processes
that want the same core as well.
"""

import asyncio
import time
from collections.abc import Callable

LONG = 0.004
"""Seconds of a turn in which too many are worked on at a time."""
WEIGHT = 0.2
"""Of the last look: five or so make up the mean."""


class Pulse:
    """How long a turn of the loop takes lately."""

    def __init__(self, long: float = LONG, clock: Callable[[], float] = time.perf_counter) -> None:
        self._long = long
        self._clock = clock
        self._looking = False
        self._mean = 0.0

    def look(self) -> None:
        """At the next turn, unless that is being done."""
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._seen, self._clock())

    @property
    def races(self) -> bool:
        """Whether there is too much to do."""
        return self._mean > self._long

    def _seen(self, since: float) -> None:
        self._looking = False
        self._mean += WEIGHT * (self._clock() - since - self._mean)
