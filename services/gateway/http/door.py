"""Who comes in: limits per address, the credential, limits per credential."""

from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.http.authentication import Authenticator
from services.gateway.http.callers import Callers
from services.gateway.http.limits import Limit, network_of
from services.gateway.ports import Principal
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError, QuotaExceeded
from shared.telemetry import metrics
from shared.web.problem import ProblemError


class Door:
    """Finds the principal once per request and leaves it, or why there is none, in the state.

    Routes that are for everybody never look; all others raise what is left for them.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        callers: Callers,
        address: Limit,
        caller: Limit,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._callers = callers
        self._address = address
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        address = network_of(client[0]) if client else ""
        state = scope["state"]
        state["address"] = address
        self._take(self._address, address)
        limit, key = self._address, address
        headers = Headers(scope=scope)
        if "authorization" in headers:
            try:
                principal = await self._authenticator.principal(headers, utc_now())
            except (MiniRagError, ProblemError) as error:
                state["refused"] = error
                self._callers.forget(scope)
            else:
                state["principal"] = principal
                self._callers.note(scope, principal.tenant_id)
                state["again"] = partial(self._again, headers)
                limit, key = self._caller, f"{principal.kind} {principal.id}"
                self._take(limit, key)

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(limit.fields(key))
            await send(message)

        await self._app(scope, receive, send_with_fields)

    async def _again(self, headers: Headers) -> Principal:
        """Whom the credential speaks for by now. Raises as it does at the door."""
        return await self._authenticator.principal(headers, utc_now())

    def _take(self, limit: Limit, key: str) -> None:
        wait = limit.take(key)
        if wait > 0:
            metrics.TURNED_AWAY.labels(limit.name).inc()
            raise QuotaExceeded(f"Too many requests from one {limit.name}", retry_after=wait)
