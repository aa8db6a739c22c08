"""Who waits, and who is next: start-time fair queueing of Goyal, Vin and Cheng (SIGCOMM 1996), with
owners of equal weight and items of equal cost.

Every owner has a time of its own, which an item that is served moves on by one. The owner whose
time is earliest is next. Whoever comes begins at the time that is served, so one who asks seldom is
served before those who always wait, and nobody saves up what he has not asked for.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items of many owners. Each takes logarithmic time in the number of owners."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[T]] = {}
        """Of each owner its items, oldest first."""
        self._order: list[tuple[int, int, str]] = []
        """A heap: of each owner with a line its time, and what breaks ties."""
        self._numbers = itertools.count()
        self._now = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def waiting(self, owner: str) -> int:
        """How many items of an owner wait."""
        line = self._lines.get(owner)
        return 0 if line is None else len(line)

    def push(self, owner: str, item: T) -> None:
        line = self._lines.get(owner)
        if line is None:
            line = self._lines[owner] = deque()
            self._arrange(self._now, owner)
        line.append(item)
        self._size += 1

    def pop(self, may: Callable[[str], bool]) -> tuple[str, T] | None:
        """Whose turn it is of the owners who may have one, and the oldest item of it."""
        passed_over = []
        found = None
        while self._order and found is None:
            entry = heapq.heappop(self._order)
            time, _, owner = entry
            line = self._lines[owner]
            if not line:
                del self._lines[owner]  # it is not ahead of the others any more
            elif not may(owner):
                passed_over.append(entry)
            else:
                self._now = max(self._now, time)
                self._size -= 1
                self._arrange(time + 1, owner)
                found = owner, line.popleft()
        for entry in passed_over:
            heapq.heappush(self._order, entry)
        return found

    def drop(self, owner: str, item: T) -> bool:
        """Take an item out of its turn; False if it does not wait."""
        line = self._lines.get(owner)
        if line is None or item not in line:
            return False
        line.remove(item)
        self._size -= 1
        return True

    def _arrange(self, time: int, owner: str) -> None:
        heapq.heappush(self._order, (time, next(self._numbers), owner))
