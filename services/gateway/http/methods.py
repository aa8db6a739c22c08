"""405, with all that could be done there instead."""

from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from re import Pattern

from fastapi import Request, Response
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from shared.web.problem import problem


async def not_allowed(request: Request, _error: Exception) -> Response:
    """RFC 9110, section 15.5.6: `Allow` has every method of the path. The framework's own has
    those of the first route that fits.
    """
    methods = sorted(set(_methods(request)))
    status = HTTPStatus.METHOD_NOT_ALLOWED
    allow = {"Allow": ", ".join(methods)}
    return problem(request, status, "method-not-allowed", status.phrase, headers=allow)


def _methods(request: Request) -> Iterator[str]:
    for route in iter_route_contexts(request.app.routes):
        if route.path is not None and _pattern(route.path).match(request.scope["path"]):
            yield from route.methods or ()


@lru_cache(maxsize=512)
def _pattern(path: str) -> Pattern[str]:
    return compile_path(path)[0]
