"""How many requests of each class are worked on at a time, and whose.

It goes around everything else: what has to wait, or to go, must cost nothing yet. A request has its
place until its answer begins: a client that reads slowly, or follows a stream, takes none. A stream
begins with what there is to tell; that it was asked for is told before that. So of many who ask at
once each is brought as far as its model before the next one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.http.callers import Callers
from services.gateway.http.refusals import Answer, Refusals
from services.gateway.http.slow_clients import WHEN_GONE
from shared.kernel.precedence import Precedence
from shared.web import sse
from shared.web.metering import ARRIVED
from shared.web.middleware import READING
from shared.web.places import Places

API = "/v1/"
READS = "reads"
FREE = "/v1/system/"
"""Below it nobody waits: how the gateway does must be told above all when it does badly."""
PIECES = 2
"""Of a stream: the first only says that it is there."""
EVENTS = (b"content-type", sse.MEDIA_TYPE.encode())


class Lines:
    """The places of each class, who stands in line for them, and who is sent away."""

    def __init__(
        self,
        callers: Callers,
        refusals: Refusals,
        most: Mapping[str, int],
        streaming: Sequence[str],
        places: Callable[[int], Places] = Places,
    ) -> None:
        """At `most` so many `reads`, `writes` and `answers`; 0 is no limit.

        Below the `streaming` paths models answer.
        """
        self.callers = callers
        self.refusals = refusals
        self._places = {name: places(count) for name, count in most.items() if count > 0}
        self._streaming = tuple(streaming)

    def of(self, scope: Scope) -> tuple[str, Places] | None:
        """The class of a request, and its places; None if it never waits."""
        name = self._class(scope)
        places = None if name is None else self._places.get(name)
        return None if name is None or places is None else (name, places)

    @property
    def crowded(self) -> bool:
        """Whether a read may have to be sent away."""
        reads = self._places.get(READS)
        return reads is not None and reads.crowded

    def turned_away(self, scope: Scope) -> Answer | None:
        """What to answer to a read that is too much, before anything is done for it.

        None if it may be let in, or if nobody knows whose it is: the address that it comes from may
        be another than the connection's.
        """
        found = self.of(scope)
        if found is None or found[0] != READS:
            return None
        owner = self.callers.known(scope)
        if owner is None or not found[1].refuses(owner):
            return None
        return self.refusals.made(scope, READS, owner)

    def _class(self, scope: Scope) -> str | None:
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if not path.startswith(API) or path.startswith(FREE):
            return None
        if scope["method"] in READING:
            return READS
        return "answers" if path.startswith(self._streaming) else "writes"


class Fairness:
    """Lets every tenant have its part of the places; who gets none in time is told to come back."""

    def __init__(self, app: ASGIApp, lines: Lines, precedence: Precedence) -> None:
        """Who has a place takes `precedence`."""
        self._app = app
        self._lines = lines
        self._precedence = precedence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = self._lines.of(scope)
        if line is None:
            await self._app(scope, receive, send)
            return
        name, places = line
        state = scope.setdefault("state", {})
        state[ARRIVED] = time.perf_counter()
        owner = self._lines.callers.owner(scope)
        try:
            place = await places.take(owner, partial(state.__setitem__, WHEN_GONE))
        except ClientDisconnect:
            return
        if place is None:
            await self._lines.refusals.answer(scope, send, name, owner)
            return
        held = ExitStack()
        held.callback(places.give, place)
        held.enter_context(self._precedence.first())
        until = 1

        async def send_giving(message: Message) -> None:
            nonlocal until
            if until:
                begins = message["type"] == "http.response.start"
                until = (PIECES if _streams(message) else 0) if begins else until - 1
                if not until:
                    held.close()
            await send(message)

        with held:
            await self._app(scope, receive, send_giving)


def _streams(start: Message) -> bool:
    name, kind = EVENTS
    return any(key == name and value.startswith(kind) for key, value in start["headers"])
