"""Streams end with the credential that opened them, within seconds, on every gateway.

The credential is looked at again while a stream is open. That is cheap: principals are known from
memory until something that they depend on changes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from shared.kernel.errors import NotAuthenticated, NotPermitted
from shared.web.problem import ProblemError

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0

Recheck = Callable[[], Awaitable[object]]
"""Raises what a request with the same credential would be refused with."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Why a stream ends."""

    code: str
    detail: str


async def while_allowed(
    body: AsyncGenerator[bytes, None],
    recheck: Recheck,
    farewell: Callable[[Gone], bytes],
    *,
    every: float = CHECK_SECONDS,
    over: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[bytes, None]:
    """The pieces of `body`, until its caller may not read on: then the farewell, and the end.

    When `over` says so it ends without one, for its caller to go on elsewhere.
    """
    due = time.monotonic() + every
    reading: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            if reading is None:
                reading = asyncio.create_task(_next(body))  # noqa: TID251  ended in `finally`
            await asyncio.wait({reading}, timeout=max(0.0, due - time.monotonic()))
            if time.monotonic() >= due:
                if over():
                    return
                # Looked at before anything else is told: what was read meanwhile stays untold.
                if (gone := await objection(recheck)) is not None:
                    yield farewell(gone)
                    return
                due = time.monotonic() + every
            if reading.done():
                piece = reading.result()
                reading = None
                if piece is None:
                    return
                yield piece
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        await body.aclose()


async def objection(recheck: Recheck) -> Gone | None:
    """Why the caller may not read on; None if it may, or if nobody can tell now: what is away
    will be back, and no stream lives for ever.
    """
    try:
        await recheck()
    except (NotAuthenticated, NotPermitted, ProblemError) as error:
        return Gone(error.code, error.detail)
    except Exception as error:  # noqa: BLE001  whatever is away says nothing about the credential
        log.warning("the credential of a stream cannot be checked", extra={"error": repr(error)})
    return None


async def _next(body: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(body, None)
