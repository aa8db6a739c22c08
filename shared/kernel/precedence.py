"""What somebody waits for goes first.

Read models of other services, statistics and reactions to facts are on the same core as the command
or the question that they follow from. Nobody waits for them as somebody does for that.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Precedence:
    """Of the work of one process. Nothing is put off for long, however much is waited for."""

    def __init__(self) -> None:
        self._waited_for = 0
        self._free = asyncio.Event()
        self._free.set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Somebody waits for what is done meanwhile."""
        self._waited_for += 1
        self._free.clear()
        try:
            yield
        finally:
            self._waited_for -= 1
            if not self._waited_for:
                self._free.set()

    async def give_way(self, seconds: float) -> None:
        """Wait while somebody waits for something else, for so many seconds at most."""
        if self._waited_for:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._free.wait()
