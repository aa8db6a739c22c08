"""What happens to every request before a route sees it. Plain ASGI: no task per request."""

import logging
import random
import re
import time
from collections.abc import Mapping, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kernel.correlation import CORRELATION
from shared.kernel.ids import new_id
from shared.telemetry import metrics
from shared.web import sse
from shared.web.metering import began
from shared.web.problem import ProblemError, problem

log = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
"""What an answer gets unless it says otherwise: a page of ours names its own policy."""
HSTS = "max-age=31536000; includeSubDomains"
"""Only over TLS: browsers ignore it elsewhere, and a proxy in between may not."""
READING = frozenset({"GET", "HEAD", "OPTIONS"})
FIRST_ERROR = 400
RETRY_SECONDS = (1, 2, 3)
"""After one of these, whoever was sent away may come back: not all of them at the same time."""


class RequestContext:
    """Gives every request an id and a log line, and every response that id and the security
    headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        CORRELATION.set(request_id)
        started = began(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", HSTS)
                if scope["path"].startswith("/v1/"):
                    headers.setdefault("Cache-Control", "no-store")
                _log(scope, message["status"], started)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _log(scope: Scope, status: int, started: float) -> None:
    """Reads that go well are told at level DEBUG: they are many and change nothing."""
    quiet = scope["method"] in READING and status < FIRST_ERROR
    level = logging.DEBUG if quiet else logging.INFO
    if log.isEnabledFor(level):
        about = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "ms": round((time.perf_counter() - started) * 1000, 1),
        }
        log.log(level, "answered", extra=about)


class Admission:
    """Lets so many requests in at a time; the others are told to come back. 0 is no limit.

    A streamed answer counts apart from the moment it begins: it waits more than it works. When
    there are too many of them, no more are begun below the `streaming` paths.
    """

    def __init__(self, app: ASGIApp, requests: int, streams: int, streaming: Sequence[str]) -> None:
        self._app = app
        self._most_requests = requests
        self._most_streams = streams
        self._streaming = tuple(streaming)
        self._requests = 0
        self._streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if 0 < self._most_requests <= self._requests:
            raise overloaded("requests")
        full = 0 < self._most_streams <= self._streams
        if full and scope["path"].startswith(self._streaming):
            raise overloaded("streams")
        self._requests += 1
        streaming = False

        async def send_counting(message: Message) -> None:
            nonlocal streaming
            if message["type"] == "http.response.start":
                media_type = Headers(raw=message["headers"]).get("content-type", "")
                if media_type.startswith(sse.MEDIA_TYPE):
                    streaming = True
                    self._requests -= 1
                    self._streams += 1
            await send(message)

        try:
            await self._app(scope, receive, send_counting)
        finally:
            if streaming:
                self._streams -= 1
            else:
                self._requests -= 1


def overloaded(what: str) -> ProblemError:
    """What somebody is answered for whom there is no place; counted."""
    metrics.TURNED_AWAY.labels(what).inc()
    seconds = random.choice(RETRY_SECONDS)  # noqa: S311  nobody gains by guessing it
    return ProblemError(503, "overloaded", too_many(what), {"Retry-After": str(seconds)})


def too_many(what: str) -> str:
    """The detail of the problem `overloaded`."""
    return f"Too many {what} at a time; try again in a moment."


class BodyTooLarge(HTTPException):
    """More bytes came than the route takes.

    An exception of the framework's, as it makes every other that comes while it reads a body into
    a complaint about JSON.
    """

    code = "too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The body is larger than {limit} bytes.")


class BodyLimit:
    """Refuses bodies beyond a limit before they are held in memory."""

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = f"{scope['path'].rstrip('/')}/"
        fitting = (size for prefix, size in self._larger.items() if path.startswith(f"{prefix}/"))
        limit = next(fitting, self._limit)
        declared = Headers(scope=scope).get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()) or int(declared) > limit:
            await self._refuse(scope, receive, send, limit)
            return
        seen = 0
        started = False

        async def receive_limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLarge(limit)
            return message

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive_limited, send_noting)
        except BodyTooLarge:
            if started:
                raise
            await self._refuse(scope, receive, send, limit)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        error = BodyTooLarge(limit)
        response = problem(Request(scope), error.status_code, error.code, error.detail)
        await response(scope, receive, send)
