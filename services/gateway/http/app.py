"""The HTTP application: routes, problems, limits, CORS."""

from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import ORJSONResponse, Response

from services.gateway.http import (
    api_tokens,
    bot_profiles,
    chat,
    chats,
    exports,
    mcp_server,
    openai_api,
    source_families,
    sources,
    system,
    tenants,
    unanswered,
    uploads,
)
from services.gateway.http.context import Gateway, StillRunning
from services.gateway.http.reference import Described
from shared.web import problem
from shared.web.middleware import BodyLimit, RequestContext

BODY_LIMIT = 256 * 1024
"""Bytes; a chat message of 32,000 characters fits however it is escaped."""
LARGER_BODIES = {
    "/v1/sources/upload": uploads.BODY_LIMIT,
    "/v1/sources": 12 * 1024 * 1024,
}
"""By the beginning of the path; the first that fits."""
ROUTES = (
    tenants,
    api_tokens,
    bot_profiles,
    uploads,
    source_families,
    sources,
    chat,
    exports,
    chats,
    unanswered,
    openai_api,
    mcp_server,
    system,
)
"""Fixed paths before those with an id in the same place."""


def create_app(gateway: Gateway, *, allowed_origins: Sequence[str]) -> FastAPI:
    """The application over an open gateway."""
    app = Described(
        title="MiniRAG",
        version="0.1.0",
        summary="Grounded answers from your own sources, with citations.",
    )
    app.state.gateway = gateway
    app.state.health = system.HealthProbe()
    for module in ROUTES:
        app.include_router(module.router)
    problem.install(app)
    app.add_exception_handler(StillRunning, _accepted)
    app.add_middleware(BodyLimit, limit=BODY_LIMIT, larger=LARGER_BODIES)
    # No credentials: a bearer token is sent by whoever holds it, never by the browser itself.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(allowed_origins),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[
            "X-Request-Id",
            "Location",
            "Retry-After",
            "Link",
            "X-Total-Count",
            "Content-Disposition",
        ],
        max_age=600,
    )
    app.add_middleware(RequestContext)
    return app


async def _accepted(_request: Request, error: Exception) -> Response:
    """The command is stored; its owner will handle it when it is back."""
    assert isinstance(error, StillRunning)  # noqa: S101  registered for this class only
    location = f"/v1/operations/{error.operation_id}"
    body = {"operation_id": error.operation_id, "status": "pending"}
    return ORJSONResponse(body, status_code=202, headers={"Location": location})
