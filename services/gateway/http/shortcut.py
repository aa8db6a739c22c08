"""The short way to a list that was asked for before.

Dashboards ask for the same pages over and over. To find the route of a request among two hundred,
to take its parameters apart and to resolve what the route depends on costs more than all the rest,
and comes to the same question to the same owner. So that question is remembered, by the request and
its principal, and asked at once. The answer is not: that is its owner's to keep.

It lies within the door and everything else that holds for each request.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cachetools import LRUCache
from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.http import lists
from services.gateway.http.context import admitted, gateway_of, note_use
from services.gateway.http.lists import REMEMBER, Listing
from services.gateway.ports import Principal

KEPT = 4_000
"""Requests that are remembered."""


@dataclass(frozen=True, slots=True)
class Way:
    """What a request came to, once its principal was found to be good for its route."""

    principal: Principal
    route: Any
    listing: Listing


class Shortcut:
    """Goes past the router where a list is asked for again, by a principal that has not changed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ways: LRUCache[Hashable, Way] = LRUCache(KEPT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = scope["state"].get("principal") if scope["type"] == "http" else None
        if principal is None or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        key = (principal.tenant_id, principal.id, scope["path"], scope["query_string"])
        way = self._ways.get(key)
        if way is None or not (way.principal is principal or way.principal == principal):
            scope["state"][REMEMBER] = partial(self._remember, key, principal)
            await self._app(scope, receive, send)
            return
        scope["route"] = way.route
        request = Request(scope)
        gateway, tenant_id = gateway_of(request), principal.tenant_id
        told = gateway.bus.known(way.listing.asked, tenant_id)
        if told is None:
            told = await admitted(request, principal).told(way.listing.asked)
        else:
            note_use(gateway, principal)
        response = await lists.response(request, gateway, tenant_id, way.listing, told)
        await response(scope, receive, send)

    def _remember(self, key: Hashable, principal: Principal, route: Any, listing: Listing) -> None:
        self._ways[key] = Way(principal, route, listing)
