"""Counts and times every request, by the pattern of its path."""

import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry import metrics, spans
from shared.telemetry.spans import Kind
from shared.web import sse

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, level 1."""
FIRST_FAULT = 500
ARRIVED = "arrived"
"""In the state of a request that had to wait: when it came, by `time.perf_counter`."""
OTHER = "other"
"""A method or a path of the client's own making: labels must not grow with them."""


class Metering:
    """Goes around everything else, so that what is refused early is counted too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = began(scope)
        streaming = False

        async def send_metered(message: Message) -> None:
            nonlocal streaming
            if message["type"] == "http.response.start":
                _answered(scope, message["status"], time.perf_counter() - started)
                _told(span, scope, message["status"])
                media_type = Headers(raw=message["headers"]).get("content-type", "")
                if not streaming and media_type.startswith(sse.MEDIA_TYPE):
                    streaming = True
                    metrics.SSE_STREAMS.inc()
            await send(message)

        given = Headers(scope=scope).get("traceparent", "")
        span = spans.span(
            method_of(scope),
            Kind.SERVER,
            parent=given if TRACEPARENT.fullmatch(given) else None,
            attributes={"http.request.method": method_of(scope)},
        )
        try:
            with span:
                await self._app(scope, receive, send_metered)
        finally:
            if streaming:
                metrics.SSE_STREAMS.dec()


def began(scope: Scope) -> float:
    """When a request came, by `time.perf_counter`."""
    arrived: float | None = scope.get("state", {}).get(ARRIVED)
    return time.perf_counter() if arrived is None else arrived


def _answered(scope: Scope, status: int, seconds: float) -> None:
    method, route = method_of(scope), route_of(scope)
    metrics.HTTP_REQUESTS.labels(method, route, status).inc()
    metrics.HTTP_SECONDS.labels(method, route).observe(seconds)


def _told(span: spans.Span, scope: Scope, status: int) -> None:
    """By the pattern: a path may hold what a client made up, and a query anything."""
    route = route_of(scope)
    span.rename(f"{method_of(scope)} {route}")
    span.tell("http.route", route)
    span.tell("http.response.status_code", status)
    if status >= FIRST_FAULT:
        span.failed(str(status))


def method_of(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else OTHER


def route_of(scope: Scope) -> str:
    """The pattern that the router found for a request."""
    return str(getattr(scope.get("route"), "path", OTHER))
