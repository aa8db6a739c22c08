"""How many requests of each class are worked on at a time, and whose.

Within the door, as it must be known who comes. A request has its place until its answer begins:
a client that reads slowly, or follows a stream, takes none.
"""

from collections.abc import Callable, Mapping, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.ports import Principal
from shared.web.middleware import READING, overloaded
from shared.web.places import Places

API = "/v1/"
FREE = "/v1/system/"
"""Below it nobody waits: how the gateway does must be told above all when it does badly."""


class Fairness:
    """Lets every tenant have its part of the places; who gets none in time is told to come back."""

    def __init__(
        self,
        app: ASGIApp,
        reads: int,
        writes: int,
        answers: int,
        streaming: Sequence[str],
        places: Callable[[int], Places] = Places,
    ) -> None:
        """Places of each class; 0 is no limit. Below the `streaming` paths models answer."""
        self._app = app
        given = {"reads": reads, "writes": writes, "answers": answers}
        self._places = {name: places(most) for name, most in given.items() if most > 0}
        self._streaming = tuple(streaming)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._kind(scope)
        places = None if kind is None else self._places.get(kind)
        if kind is None or places is None:
            await self._app(scope, receive, send)
            return
        owner = owner_of(scope["state"])
        if not await places.take(owner):
            raise overloaded(kind)
        holding = True

        async def send_giving(message: Message) -> None:
            nonlocal holding
            if holding and message["type"] == "http.response.start":
                holding = False
                places.give(owner)
            await send(message)

        try:
            await self._app(scope, receive, send_giving)
        finally:
            if holding:
                places.give(owner)

    def _kind(self, scope: Scope) -> str | None:
        """The class of a request; None if it never waits."""
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if not path.startswith(API) or path.startswith(FREE):
            return None
        if scope["method"] in READING:
            return "reads"
        return "answers" if path.startswith(self._streaming) else "writes"


def owner_of(state: Mapping[str, object]) -> str:
    """Whose part of the places a request takes: the tenant's, or that of its address."""
    principal = state.get("principal")
    if isinstance(principal, Principal):
        return principal.tenant_id
    return f"address {state.get('address', '')}"
