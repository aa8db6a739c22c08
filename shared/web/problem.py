"""RFC 9457 problem documents, from one table.

`detail` keeps the string, or for validation the list, that clients of the original read.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    MiniRagError,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    QuotaExceeded,
    Refused,
    StaleVersion,
    TooLarge,
    Unavailable,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[type[MiniRagError], HTTPStatus] = {
    NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    NotPermitted: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    InvalidCommand: HTTPStatus.UNPROCESSABLE_ENTITY,
    QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    Refused: HTTPStatus.BAD_REQUEST,
    StaleVersion: HTTPStatus.CONFLICT,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    MiniRagError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
RETRY_SECONDS = "2"


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """Stable: `urn:minirag:problem:<code>`. Branch on this."""
    title: str
    """The status in words."""
    status: int
    detail: str | list[dict[str, Any]]
    """What is wrong, for people; for a malformed request, a list of every field at fault."""
    instance: str
    """Path of the request."""
    request_id: str | None
    """Also in the header `X-Request-Id`; the log knows it."""
    field: str | None = None
    """The field at fault, if there is one."""


class ProblemError(Exception):
    """A problem whose status is not one of the table's, such as a provider's failure."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        field: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.field = field
        self.extra = extra or {}


def problem(
    request: Request,
    status: int,
    code: str,
    detail: Any,
    *,
    headers: Mapping[str, str] | None = None,
    field: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """The response for one problem. `type` is stable: clients may branch on it."""
    body = {
        "type": f"urn:minirag:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "request_id": getattr(request.state, "request_id", None),
    }
    if field is not None:
        body["field"] = field
    body |= extra or {}
    return Response(orjson.dumps(body, default=str), status, headers=headers, media_type=MEDIA_TYPE)


def responses(*errors: type[MiniRagError]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: the refusals a client must be ready for."""
    found = [_status(error) for error in errors]
    return {int(status): described(status.phrase) for status in found}


def described(description: str) -> dict[str, Any]:
    """For a route's `responses=`: one problem, in words."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def status_of(error: MiniRagError) -> HTTPStatus:
    return _status(type(error))


def _status(kind: type[MiniRagError]) -> HTTPStatus:
    return next(STATUS[cls] for cls in kind.__mro__ if cls in STATUS)


class Faults:
    """Answers for what is raised outside of routes, and for bugs, inside the middleware that adds
    headers: a browser shows a page of another site nothing of an answer without them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except asyncio.CancelledError:
            # This process ends and waits for nobody; another will answer in a moment.
            if not started and scope["type"] == "http":
                response = _ending(Request(scope))
                await response(scope, receive, send)
            raise
        except ClientDisconnect:
            return
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            response = await _answer(Request(scope), error)
            await response(scope, receive, send)


def install(app: FastAPI) -> None:
    """Turn every error into a problem document. Call it before any middleware is added."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _bug)
    app.add_middleware(Faults)


async def _answer(request: Request, error: Exception) -> Response:
    """As the application's own handlers would."""
    for kind, handler in HANDLERS.items():
        if isinstance(error, kind):
            return await handler(request, error)
    return await _bug(request, error)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, MiniRagError)  # noqa: S101  registered for this class only
    status = status_of(error)
    headers = {}
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable | QuotaExceeded):
        wait = error.retry_after if isinstance(error, QuotaExceeded) else None
        headers["Retry-After"] = RETRY_SECONDS if wait is None else str(math.ceil(wait))
    if isinstance(error, Refused):
        return problem(
            request, status, error.code, error.detail, headers=headers, field=error.field
        )
    if isinstance(error, Unavailable):
        log.warning("unavailable", extra={"path": request.url.path, "error": str(error)})
        return problem(request, status, "unavailable", str(error), headers=headers)
    return await _bug(request, error)


async def _given(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101  registered for this class only
    return problem(
        request,
        error.status,
        error.code,
        error.detail,
        headers=error.headers,
        field=error.field,
        extra=error.extra,
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class only
    errors = _tellable(error.errors())
    first = errors[0]["loc"] if errors else []
    field = ".".join(str(part) for part in first[1:]) or None
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, "validation", errors, field=field)


def _tellable(errors: Sequence[Any]) -> Any:
    """The errors as JSON; without what was sent where that can be read but not written again."""
    try:
        told = jsonable_encoder(errors, custom_encoder={bytes: repr, Exception: str})
        orjson.dumps(told)
    except (TypeError, ValueError, RecursionError):
        return [{name: error[name] for name in ("type", "loc", "msg")} for error in errors]
    return told


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class only
    if error.status_code == HTTPStatus.BAD_REQUEST and error.__cause__ is not None:
        return await _invalid(request, _unreadable(error.__cause__))
    named = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    code = getattr(error, "code", named)
    return problem(request, error.status_code, code, error.detail, headers=error.headers)


def _unreadable(cause: BaseException) -> RequestValidationError:
    """What FastAPI answers with a bare 400: a body that is no JSON by its bytes or its depth."""
    at = cause.start if isinstance(cause, UnicodeDecodeError) else 0
    told = cause.reason if isinstance(cause, UnicodeDecodeError) else "not to be read"
    return RequestValidationError(
        [
            {
                "type": "json_invalid",
                "loc": ("body", at),
                "msg": "JSON decode error",
                "input": {},
                "ctx": {"error": told},
            }
        ]
    )


async def _away(request: Request, error: Exception) -> Response:
    """The database is being started again, as a rule; a fault in a statement looks the same."""
    log.warning("database does not answer", extra={"path": request.url.path}, exc_info=error)
    headers = {"Retry-After": RETRY_SECONDS}
    detail = "The database does not answer."
    return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers=headers)


def _ending(request: Request) -> Response:
    headers = {"Retry-After": RETRY_SECONDS}
    detail = "The service is being started again."
    return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers=headers)


async def _bug(request: Request, error: Exception) -> Response:
    """A fault of ours: told to the log in full, to the client without its text."""
    log.error("unhandled error", extra={"path": request.url.path}, exc_info=error)
    return problem(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side."
    )


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    MiniRagError: _ours,
    ProblemError: _given,
    RequestValidationError: _invalid,
    HTTPException: _http,
    DBAPIError: _away,
    PoolTimeout: _away,
    ConnectionError: _away,
}
