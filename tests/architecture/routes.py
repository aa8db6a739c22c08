"""The routes of the HTTP application, and what each stands behind."""

import dis
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from docs.api import application
from services.gateway.http import context
from shared.kernel.errors import MiniRagError

ANONYMOUS = {
    "GET /health": "an orchestrator asks without a token",
    "GET /livez": "an orchestrator asks without a token",
    "GET /readyz": "an orchestrator asks without a token",
    "GET /v1/system/health": "part of the public contract; tells no address",
    "GET /dashboard": "a page that holds no data",
    "GET /dashboard/{page:path}": "the same page; what it shows comes from the API",
    "GET /dashboard/assets/{version}/{name:path}": "code and styles, the same for everybody",
    "GET /dashboard/widget/minirag-widget.js": "code, the same for everybody",
    "GET /demo": "a page that holds no data",
    "GET /demo/settings.json": "the public key of the demo bot",
    "GET /openapi.json": "the description of the interface",
    "GET /asyncapi.json": "the description of the interface",
    "GET /docs": "the description of the interface",
    "GET /docs/{name}": "what the descriptions are made of",
    "GET /redoc": "the description of the interface",
    "POST /v1/auth/browser/login": "who logs in has no token yet",
    "POST /v1/auth/browser/refresh": "the cookie is the credential",
    "POST /v1/auth/browser/logout": "the cookie is the credential",
    "POST /v1/tenants": "who registers has no token yet",
    "POST /v1/auth/login": "who logs in has no token yet",
    "POST /v1/auth/refresh": "the refresh token in the body tells who it is",
    "POST /v1/auth/logout": "so does the refresh token here, if there is no other",
    "POST /v1/widget/sessions": "a visitor has the page's public key",
}
"""Every route that takes no token, and why."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    guards: frozenset[str]
    """The dependencies of `services.gateway.http.context` that it stands behind."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def authenticated(self) -> bool:
        return "caller" in self.guards

    @property
    def restricted(self) -> bool:
        """Whether not every role may call it."""
        return bool(self.guards & {"admin", "owner"})

    def mentioned_errors(self) -> set[type[MiniRagError]]:
        """Classes of errors that the endpoint, or a function beside it that it calls, names."""
        return set(_mentioned(self.endpoint, set()))


@dataclass(frozen=True, slots=True)
class TakenId:
    """An id that a client sends."""

    route: str
    name: str
    place: str
    """`path`, `query` or `body`."""
    schema: dict[str, Any]


def routes(app: FastAPI) -> list[Route]:
    """Every method of every path, documented or not."""
    return [
        Route(
            method=method,
            path=route.path or "",
            endpoint=route.endpoint or application,
            guards=frozenset(_guards(getattr(route, "dependant", None))),
        )
        for route in iter_route_contexts(app.routes)
        for method in sorted((route.methods or {"MOUNT"}) - {"HEAD"})
    ]


def reads() -> list[Route]:
    """Routes by which a caller reads what belongs to a tenant: no other tenant's ids may work."""
    return [route for route in _naming() if route.method == "GET"]


def changes() -> list[Route]:
    """Routes by which a caller changes something that the path names."""
    return [route for route in _naming() if route.method != "GET"]


def ids(app: FastAPI) -> list[TakenId]:
    """All ids that the documented routes take."""
    return list(_ids(app.openapi()))


def _naming() -> list[Route]:
    found = [one for one in routes(application()) if one.authenticated and "{" in one.path]
    return sorted(found, key=lambda route: route.name)


def _ids(document: dict[str, Any]) -> Iterator[TakenId]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            route = f"{method.upper()} {path}"
            for one in operation.get("parameters", ()):
                if one["name"].endswith("_id"):
                    yield TakenId(route, one["name"], one["in"], one["schema"])
            for content in operation.get("requestBody", {}).get("content", {}).values():
                for name, schema in _properties(document, content["schema"]).items():
                    if name.endswith("_id"):
                        yield TakenId(route, name, "body", schema)


def _properties(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    properties: dict[str, Any] = found.get("properties", {})
    return properties


def _guards(dependant: Dependant | None) -> Iterator[str]:
    for inner in dependant.dependencies if dependant else ():
        call = inner.call
        if getattr(call, "__module__", None) == context.__name__:
            yield getattr(call, "__name__", "")
        yield from _guards(inner)


def _mentioned(function: Callable[..., Any], seen: set[str]) -> Iterator[type[MiniRagError]]:
    """Names used by the code, looked up where it was defined; helpers of the same module too."""
    function = inspect.unwrap(function)
    if function.__qualname__ in seen:
        return
    seen.add(function.__qualname__)
    for name in _globals_used(function.__code__):
        found = function.__globals__.get(name)
        if isinstance(found, type) and issubclass(found, MiniRagError):
            yield found
        elif inspect.isfunction(found) and found.__module__ == function.__module__:
            yield from _mentioned(found, seen)


def _globals_used(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_used(constant)
