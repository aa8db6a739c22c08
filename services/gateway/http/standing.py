"""Streams end with the credential that opened them, within seconds, on every gateway.

One task looks after all open streams: with ten thousand of them, each looking after itself would be
most of what a gateway does. A credential is looked at again at once when something changed in its
tenant, and otherwise now and then, as it may have expired.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.kernel.errors import NotAuthenticated, NotPermitted
from shared.web.problem import ProblemError

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
EXPIRY_SECONDS = 10.0
"""How late it is seen at most that a credential has expired."""
AT_ONCE = 50
"""Credentials that are looked at before other work has its turn."""

Recheck = Callable[[], Awaitable[object]]
"""Raises what a request with the same credential would be refused with."""
Changes = Callable[[], Collection[str]]
"""Tenants in which something changed lately that a credential may depend on."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Why a stream ends."""

    code: str
    detail: str


def nothing_changed() -> Collection[str]:
    return ()


def goes_on() -> bool:
    return False


@dataclass(eq=False, slots=True)
class Watched:
    """An open stream, and what ends it."""

    tenant_id: str
    recheck: Recheck
    over: Callable[[], bool]
    due: float
    """When its credential is looked at again, whatever happens, in `time.monotonic`."""
    gone: Gone | None = None
    ends: bool = False
    waiting: asyncio.Timeout | None = field(default=None, repr=False)
    """What it waits in for its next piece."""

    def has_to_end(self) -> bool:
        return self.ends

    def end(self, gone: Gone | None) -> None:
        """Stop waiting. Without a reason it ends without a word."""
        self.gone, self.ends = gone, True
        if self.waiting is not None:
            self.waiting.reschedule(asyncio.get_running_loop().time())


class Standings:
    """Looks after the credentials of open streams; one per gateway."""

    def __init__(self, changes: Changes = nothing_changed, every: float = CHECK_SECONDS) -> None:
        self._changes = changes
        self._every = every
        self.open: set[Watched] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """End what must not go on."""
        changed = self._changes()
        looked = 0
        for one in list(self.open):
            if one.over():
                one.end(None)
                continue
            now = time.monotonic()
            if one.ends or (one.due > now and one.tenant_id not in changed):
                continue
            one.due = now + EXPIRY_SECONDS
            if (gone := await objection(one.recheck)) is not None:
                one.end(gone)
            looked += 1
            if looked % AT_ONCE == 0:
                await asyncio.sleep(0)

    @contextmanager
    def watch(
        self, tenant_id: str, recheck: Recheck, over: Callable[[], bool]
    ) -> Iterator[Watched]:
        """Look after a stream for as long as it is open."""
        watched = Watched(tenant_id, recheck, over, time.monotonic() + EXPIRY_SECONDS)
        self.open.add(watched)
        try:
            yield watched
        finally:
            self.open.discard(watched)

    async def while_allowed(
        self,
        body: AsyncGenerator[bytes, None],
        tenant_id: str,
        recheck: Recheck,
        farewell: Callable[[Gone], bytes],
        over: Callable[[], bool] = goes_on,
    ) -> AsyncGenerator[bytes, None]:
        """The pieces of `body`, until its caller may not read on: then the farewell, and the end.

        When `over` says so it ends without one, for its caller to go on elsewhere.
        """
        with self.watch(tenant_id, recheck, over) as watched:
            try:
                while (piece := await _next(body, watched)) is not None:
                    yield piece
                if watched.gone is not None:
                    yield farewell(watched.gone)
            finally:
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


async def _next(body: AsyncGenerator[bytes, None], watched: Watched) -> bytes | None:
    """The next piece; None at the end of the body, or when the stream has to end: what was read
    meanwhile stays untold.
    """
    if watched.has_to_end():
        return None
    try:
        async with asyncio.timeout(None) as watched.waiting:
            piece = await anext(body, None)
    except TimeoutError:
        if watched.has_to_end():
            return None
        raise
    finally:
        watched.waiting = None
    return None if watched.has_to_end() else piece
