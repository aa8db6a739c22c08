"""/v1/events: what happens in a tenant, as a stream that can be resumed, or in pages."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import AwareDatetime, BaseModel

from services.gateway.http import asyncapi, feed
from services.gateway.http.context import Caller, CallerDep, Id, Timestamp
from services.gateway.http.standing import Gone
from services.gateway.http.streaming import Streamed
from shared.adapters.vault import Vault
from shared.contracts.base import Event, Recorded
from shared.contracts.public import PUBLIC_TYPES, public_event
from shared.kernel.errors import InvalidCommand, NotAuthenticated
from shared.web import pagination, sse
from shared.web.pagination import WindowDep
from shared.web.problem import responses

router = APIRouter(tags=["events"])

SCOPE = "events"
"""All cursors of a tenant's events are alike: the wish may change between two pages."""
CURSOR_KEY = "cursors"
PAGE = 100
HEARTBEAT_SECONDS = 10.0
STREAM_SECONDS = 900.0
"""After which a stream ends, and its client comes back with a token that must still be good."""
JSON = "application/json"
HEARTBEAT = sse.encode("heartbeat", {})


class EventOut(BaseModel):
    id: str
    """Of the event; webhooks carry it as `webhook-id`."""
    type: str
    occurred_at: Timestamp
    aggregate: str
    aggregate_id: str
    correlation_id: str
    """The same for everything that one order set off."""
    cursor: str
    """What leads to the events behind this one."""
    data: dict[str, Any]
    """As docs/events.md describes it for the type."""


@router.get(
    "/v1/events",
    response_model=list[EventOut],
    responses={
        **responses(NotAuthenticated, InvalidCommand),
        200: {
            "headers": {"Link": pagination.HEADERS["Link"]},
            "content": {sse.MEDIA_TYPE: {}},
        },
    },
)
async def events(
    request: Request,
    caller: CallerDep,
    window: WindowDep,
    types: Annotated[
        list[str] | None, Query(alias="type", max_length=100, description="Only these types.")
    ] = None,
    aggregate: Annotated[
        str | None, Query(max_length=64, description="Only about such: `source`, `chat`, …")
    ] = None,
    aggregate_id: Annotated[
        Id | None, Query(description="Only about the one with this id.")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="Only from then on.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(alias="to", description="Only before that.")
    ] = None,
    accept: Annotated[str, Header()] = "*/*",
    last_event_id: Annotated[str | None, Header(max_length=pagination.CURSOR_LENGTH)] = None,
) -> Response:
    """What happens in the tenant, oldest first.

    With `Accept: application/json` a page of what is there, from the beginning or `cursor` on.
    Otherwise a stream of what happens from now on, or behind `Last-Event-ID`, or from `from` on.
    It ends with the event `closed` when its credential is not good any more.
    """
    for name in types or ():
        if name not in PUBLIC_TYPES:
            raise InvalidCommand(f"Invalid event type: {name}", field="type")
    wish = feed.Wish(tuple(types) if types else None, aggregate, aggregate_id, since, until)
    wish.subjects(caller.tenant_id)
    cursor = last_event_id or window.cursor
    key = await cursor_key(caller.gateway.vault, caller.tenant_id)
    after = 0 if cursor is None else pagination.unseal(key, SCOPE, cursor)[0]
    if JSON in accept and sse.MEDIA_TYPE not in accept:
        return await _page(request, caller, wish, after, key, window)
    if cursor is None and since is None:
        after = await caller.gateway.event_log.last_sequence()
    return _stream(caller, wish, after, key)


@router.get("/asyncapi.json", response_model=dict[str, Any])
async def document(request: Request) -> Response:
    """The AsyncAPI 3 document of the event feed and of webhooks."""
    made = asyncapi.document(str(request.base_url).rstrip("/"))
    return Response(orjson.dumps(made), media_type=JSON)


async def _page(
    request: Request,
    caller: Caller,
    wish: feed.Wish,
    after: int,
    key: bytes,
    window: pagination.Window,
) -> Response:
    limit = window.size(default=PAGE)
    found, more = await feed.page(caller.gateway.event_log, caller.tenant_id, wish, after, limit)
    items = [told(one, key) for one in found]
    headers = pagination.Address.of(request).headers(
        cursor=items[-1].cursor if more and items else None,
        limit=window.limit,
        total=None,
    )
    body = b"[" + b",".join(item.model_dump_json().encode() for item in items) + b"]"
    return Response(body, media_type=JSON, headers=headers)


def _stream(caller: Caller, wish: feed.Wish, after: int, key: bytes) -> Streamed:
    gateway = caller.gateway

    async def body() -> AsyncGenerator[bytes, None]:
        # Whoever is cut off before the first event resumes here.
        if after:
            yield _frame("ready", {}, _seal(key, after, ""))
        ends = time.monotonic() + STREAM_SECONDS
        follow = feed.follow(
            gateway.event_log, gateway.feed, caller.tenant_id, wish, after, HEARTBEAT_SECONDS
        )
        async with aclosing(follow) as live:
            async for one in live:
                if one is None:
                    yield HEARTBEAT
                    if time.monotonic() > ends:
                        return
                    continue
                if one.shown is None:
                    one.shown = _shown(told(one.recorded, key))
                yield one.shown

    # It would be open until the gateway is made to close it, and others hold it as well.
    allowed = caller.while_allowed(body(), _closed, over=gateway.leaving.is_set)
    return Streamed(allowed)


def _closed(gone: Gone) -> bytes:
    return sse.encode("closed", {"code": gone.code, "detail": gone.detail})


def _shown(out: EventOut) -> bytes:
    return _frame(out.type, out.model_dump(mode="json", exclude={"cursor"}), out.cursor)


def _frame(event: str, data: dict[str, Any], cursor: str) -> bytes:
    return f"id: {cursor}\n".encode("ascii") + sse.encode(event, data)


def told(recorded: Recorded[Event], key: bytes) -> EventOut:
    """What subscribers see of a public event. `key` is the tenant's `cursor_key`."""
    public = public_event(recorded.event)
    assert public is not None  # noqa: S101  only events that are public come here
    return EventOut(
        id=recorded.event_id,
        type=public.type,
        occurred_at=recorded.at,
        aggregate=recorded.event.aggregate,
        aggregate_id=recorded.event.aggregate_id,
        correlation_id=recorded.metadata.correlation_id,
        cursor=_seal(key, recorded.sequence, recorded.event_id),
        data=public.model_dump(mode="json"),
    )


def _seal(key: bytes, sequence: int, event_id: str) -> str:
    return pagination.seal(key, SCOPE, (sequence, event_id))


async def cursor_key(vault: Vault, tenant_id: str) -> bytes:
    """Seals the cursors of a tenant."""
    key = await vault.data_key(tenant_id, CURSOR_KEY, create=True)
    assert key is not None  # noqa: S101  create=True always gives one
    return key
