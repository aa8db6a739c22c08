"""How many requests of each class are worked on at a time, and whose.

It goes around everything else: what has to wait, or to go, must cost nothing yet. A request has its
place until its answer begins: a client that reads slowly, or follows a stream, takes none.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.http.callers import Callers
from services.gateway.http.refusals import Refusals
from services.gateway.http.slow_clients import WHEN_GONE
from shared.web.metering import ARRIVED
from shared.web.middleware import READING
from shared.web.places import Places

API = "/v1/"
FREE = "/v1/system/"
"""Below it nobody waits: how the gateway does must be told above all when it does badly."""


class Fairness:
    """Lets every tenant have its part of the places; who gets none in time is told to come back."""

    def __init__(
        self,
        app: ASGIApp,
        callers: Callers,
        refusals: Refusals,
        most: Mapping[str, int],
        streaming: Sequence[str],
        places: Callable[[int], Places] = Places,
    ) -> None:
        """At `most` so many `reads`, `writes` and `answers`; 0 is no limit.

        Below the `streaming` paths models answer.
        """
        self._app = app
        self._callers = callers
        self._refusals = refusals
        self._places = {name: places(count) for name, count in most.items() if count > 0}
        self._streaming = tuple(streaming)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = self._class(scope)
        places = None if name is None else self._places.get(name)
        if name is None or places is None:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state[ARRIVED] = time.perf_counter()
        owner = self._callers.owner(scope)
        try:
            place = await places.take(owner, partial(state.__setitem__, WHEN_GONE))
        except ClientDisconnect:
            return
        if place is None:
            await self._refusals.answer(scope, send, name, owner)
            return
        holding = True

        async def send_giving(message: Message) -> None:
            nonlocal holding
            if holding and message["type"] == "http.response.start":
                holding = False
                places.give(place)
            await send(message)

        try:
            await self._app(scope, receive, send_giving)
        finally:
            if holding:
                places.give(place)

    def _class(self, scope: Scope) -> str | None:
        """None if it never waits."""
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if not path.startswith(API) or path.startswith(FREE):
            return None
        if scope["method"] in READING:
            return "reads"
        return "answers" if path.startswith(self._streaming) else "writes"
