"""What several ask for at the same time is found out once.

Where an answer is kept for a while, all who ask as it ends would look for it together, and each of
these looks makes the others slower.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class _LeftAlone(Exception):
    """Whoever looked was cancelled before an answer came."""


class SingleFlight:
    """Calls that are under way, by what they find out.

    Named, and meant, as in Go's `golang.org/x/sync/singleflight`.
    """

    def __init__(self) -> None:
        self._calls: dict[Hashable, asyncio.Future[Any]] = {}

    async def do(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns, or one with this key that somebody else is making.

        Raises what that raises. If its caller is cancelled, one of those who wait makes the call.
        """
        while (under_way := self._calls.get(key)) is not None:
            with suppress(_LeftAlone):
                return await asyncio.shield(under_way)
        told = self._calls[key] = asyncio.get_running_loop().create_future()
        told.add_done_callback(asyncio.Future.exception)  # maybe nobody waits to hear of it
        try:
            found = await call()
        except Exception as error:
            told.set_exception(error)
            raise
        else:
            told.set_result(found)
            return found
        finally:
            del self._calls[key]
            if not told.done():
                told.set_exception(_LeftAlone())
