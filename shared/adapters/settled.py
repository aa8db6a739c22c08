"""What command handlers of this process have brought into a read model by themselves.

A handler shows its events before its caller is answered, and the projector reads the same events
from the log a moment later. Where it knows that nothing of them is left to do, it only moves on.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from cachetools import LRUCache

from shared.contracts.base import Event, Recorded

REMEMBERED = 10_000
"""Events at a time."""
PATIENCE = 0.25
"""Seconds to wait for handlers at work: what they are about to show need not be done twice."""


class Settled:
    """Events whose rows are committed, by the connection to the same database."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._shown: LRUCache[str, None] = LRUCache(REMEMBERED)
        self._deciding = 0
        self._news = asyncio.Event()

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """A handler is at work, and may show what it decides."""
        self._deciding += 1
        try:
            yield
        finally:
            self._deciding -= 1
            self._news.set()

    def add(self, records: Sequence[Recorded[Event]]) -> None:
        """These are committed."""
        for record in records:
            self._shown[record.event_id] = None
        self._news.set()

    def clear(self) -> None:
        """Know nothing any more: the database may have forgotten what it had not written down."""
        self._shown.clear()

    async def hold(self, records: Sequence[Recorded[Event]]) -> bool:
        """Whether all of these are; handlers at work are waited for, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while not (held := self._hold(records)) and self._deciding:
                    self._news.clear()
                    await self._news.wait()
                return held
        return self._hold(records)

    def _hold(self, records: Sequence[Recorded[Event]]) -> bool:
        return all(record.event_id in self._shown for record in records)
