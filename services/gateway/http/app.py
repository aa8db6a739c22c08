"""The HTTP application: routes, problems, limits, CORS."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import ORJSONResponse, Response
from starlette.types import Scope

from services.gateway.http import (
    api_tokens,
    archive,
    audit,
    auth,
    bot_indexes,
    bot_profiles,
    bot_versions,
    browser_sessions,
    budgets,
    chat,
    chats,
    dead_letters,
    erasures,
    events,
    exports,
    health_details,
    mcp_server,
    openai_api,
    pages,
    playground,
    providers,
    replays,
    retention,
    source_families,
    source_history,
    sources,
    stats,
    suites,
    system,
    tenants,
    ui,
    uploads,
    users,
    webhook_deliveries,
    webhooks,
    websites,
    widget_keys,
    widget_sessions,
)
from services.gateway.http.authentication import Authenticator
from services.gateway.http.callers import Callers
from services.gateway.http.context import Gateway, StillRunning
from services.gateway.http.door import Door
from services.gateway.http.fairness import READS, Fairness, Lines
from services.gateway.http.idempotency import REPLAYED, Idempotency
from services.gateway.http.limits import Limit
from services.gateway.http.methods import not_allowed
from services.gateway.http.reference import Described
from services.gateway.http.refusals import Refusals
from services.gateway.http.shortcut import Shortcut
from services.gateway.http.streaming import HandOver
from services.gateway.ports import Replays
from shared.kernel.precedence import Precedence
from shared.web import problem
from shared.web.metering import Metering
from shared.web.middleware import Admission, BodyLimit, RequestContext

BODY_LIMIT = 256 * 1024
"""Bytes; a chat message of 32,000 characters fits however it is escaped."""
LARGER_BODIES = {
    "/v1/sources/upload": uploads.BODY_LIMIT,
    "/v1/sources": 12 * 1024 * 1024,
}
"""By the beginning of the path; the first that fits."""
ROUTES = (
    tenants,
    auth,
    browser_sessions,
    users,
    api_tokens,
    archive,
    audit,
    bot_indexes,
    bot_profiles,
    providers,
    suites,
    playground,
    bot_versions,
    uploads,
    source_families,
    source_history,
    websites,
    sources,
    chat,
    replays,
    exports,
    erasures,
    retention,
    chats,
    openai_api,
    mcp_server,
    widget_keys,
    widget_sessions,
    webhooks,
    webhook_deliveries,
    events,
    stats,
    budgets,
    system,
    health_details,
    dead_letters,
    pages,
)
"""Fixed paths before those with an id in the same place."""
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
EXPOSED = (
    "X-Request-Id",
    "Location",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "Link",
    "X-Total-Count",
    "ETag",
    "Content-Disposition",
    REPLAYED,
)
STREAMING = ("/v1/chat", "/v1/openai", "/v1/mcp", "/v1/events")
"""Below these, answers may stay open."""


@dataclass(frozen=True, slots=True)
class Limits:
    """0 is no limit."""

    address: int = 0
    """Requests a minute."""
    caller: int = 0
    """Requests a minute."""
    requests: int = 0
    """At a time."""
    streams: int = 0
    """At a time."""
    reads: int = 0
    """At a time, as `Fairness` has it; so the next two."""
    writes: int = 0
    answers: int = 0


def create_app(
    gateway: Gateway,
    *,
    authenticator: Authenticator,
    replays: Replays,
    limits: Limits,
    allowed_origins: Sequence[str],
    precedence: Precedence | None = None,
    demo_key: ui.DemoKey = ui.no_demo,
    files: ui.Files | None = None,
) -> FastAPI:
    """The application over an open gateway. Without `files` it reads those of this package."""
    app = Described(
        title="MiniRAG",
        version="0.1.0",
        summary="Grounded answers from your own sources, with citations.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.gateway = gateway
    app.state.health = system.HealthProbe()
    app.router.routes.extend(ui.routes(demo_key, files or ui.Files()))
    app.state.allowed_origins = list(allowed_origins)
    for module in ROUTES:
        app.include_router(module.router)
    app.add_middleware(Shortcut)  # innermost: what it raises is answered like a route's
    problem.install(app)
    app.add_exception_handler(StillRunning, _accepted)
    app.add_exception_handler(405, not_allowed)
    # The last one added is the first that a request meets.
    app.add_middleware(Idempotency, replays=replays)
    app.add_middleware(BodyLimit, limit=BODY_LIMIT, larger=LARGER_BODIES)
    callers = Callers()
    lines = Lines(
        callers,
        Refusals(allowed_origins, EXPOSED),
        most={READS: limits.reads, "writes": limits.writes, "answers": limits.answers},
        streaming=STREAMING,
    )
    app.state.lines = lines
    app.add_middleware(
        Door,
        authenticator=authenticator,
        callers=callers,
        address=Limit("address", limits.address),
        caller=Limit("caller", limits.caller),
    )
    app.add_middleware(HandOver)
    app.add_middleware(
        Admission, requests=limits.requests, streams=limits.streams, streaming=STREAMING
    )
    # Once more, for what the middleware below raises.
    app.add_middleware(problem.Faults)
    # No credentials: a bearer token is sent by whoever holds it, never by the browser itself.
    anywhere = "*" in allowed_origins
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[] if anywhere else list(allowed_origins),
        allow_origin_regex=".*" if anywhere else None,
        allow_methods=METHODS,
        allow_headers=["*"],
        expose_headers=EXPOSED,
        max_age=600,
    )
    app.add_middleware(RequestContext)
    app.add_middleware(Metering)
    app.add_middleware(Fairness, lines=lines, precedence=precedence or Precedence())
    _prepare_routes(app)
    return app


def _prepare_routes(app: FastAPI) -> None:
    """Let FastAPI work all routes out, so that the first request need not wait for it.

    It does so when it first looks for a route, and holds the loop up for 100 ms and more.
    """
    nowhere: Scope = {"type": "http", "method": "GET", "path": "", "root_path": "", "headers": []}
    for route in app.routes:
        route.matches(nowhere)


async def _accepted(_request: Request, error: Exception) -> Response:
    """The command is stored; its owner will handle it when it is back."""
    assert isinstance(error, StillRunning)  # noqa: S101  registered for this class only
    location = f"/v1/operations/{error.operation_id}"
    body = {"operation_id": error.operation_id, "status": "pending"}
    return ORJSONResponse(body, status_code=202, headers={"Location": location})
