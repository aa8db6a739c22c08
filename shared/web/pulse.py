"""Whether the thread that turns the event loop has more to do than it can.

That is so when it works most of the time that passes: then each piece of work waits for all
others, whoever they are of. How long answers take tells less: they take long as well where a
database is slow, or other processes want the same core; there more at a time gets more done.
"""

import time
from collections.abc import Callable

MOST = 0.7
SPAN = 0.03
"""Seconds that are looked at together, at least."""
LONGEST = 1.0
"""Seconds after which a look tells nothing about the present."""


class Pulse:
    """How busy this thread was lately, as far as somebody looked."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._used = used
        self._since, self._before = clock(), used()
        self._busy = False

    def races(self) -> bool:
        """Whether there is too much to do."""
        passed = self._clock() - self._since
        if passed >= SPAN:
            used = self._used()
            self._busy = passed < LONGEST and used - self._before > MOST * passed
            self._since, self._before = self._clock(), used
        return self._busy
