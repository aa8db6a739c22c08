"""Lists: the owner answers in pages, the client gets one page or all of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from services.gateway.http.context import Caller, Gateway
from services.gateway.http.presented import Present, Shown
from shared.contracts.base import Page, PagedQuestion, SortKey
from shared.kernel.errors import Unavailable
from shared.runtime.bus import Asked
from shared.web import json_stream, pagination
from shared.web.pagination import Address, Window

MEDIA_TYPE = "application/json"
PATIENCE = (0.2, 1.0, 3.0, 5.0)
"""Seconds before a page that did not come is asked for again; a restart of its owner is shorter."""
CURSOR_KEY = "cursors"
REMEMBER = "remember"
"""In the state of a request: takes what was found out about its list, for the next such request."""

P = TypeVar("P", bound=Page)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a list, as a request asks for it."""

    address: Address
    limit: int | None
    """What the client gave."""
    asked: Asked
    shape: type[Page]
    present: Present


async def pages(
    caller: Caller, question: PagedQuestion[P], answer: type[P], first: P | None = None
) -> AsyncGenerator[P, None]:
    """Every page of a list, from `first` on. Raises the refusal, or `Unavailable`."""
    page = first or await caller.ask(question, answer)
    while True:
        yield page
        if page.following is None:
            return
        question = _behind(question, page.following)
        page = await _patiently(partial(caller.ask, question, answer))


async def answer(
    request: Request,
    caller: Caller,
    question: PagedQuestion[P],
    shape: type[P],
    present: Present,
    window: Window,
    *,
    size: int | None = None,
    again: bool = False,
) -> Response:
    """The list as a JSON array: the page that `window` asks for, or all of it.

    A page that would be too large is shorter than it may be; `Link` leads on all the same. `size`
    makes a page of a list that is not asked for in parts. `again`: the question follows from the
    request and its principal alone, so whoever asks the same again gets here the short way.
    """
    gateway, tenant_id = caller.gateway, caller.tenant_id
    if window.whole and size is None:
        return await _everything(caller, question, shape, present)
    address = Address.of(request)
    after = None
    if window.cursor is not None:
        after = pagination.unseal(await _key(gateway, tenant_id), address.scope, window.cursor)
    changes = {
        "after": after,
        "limit": window.size() if size is None else size,
        "counted": True,
    }
    asked = Asked.of(question.model_copy(update=changes))
    listing = Listing(address, window.limit, asked, shape, present)
    told = await caller.told(asked)
    if again and (remember := getattr(request.state, REMEMBER, None)) is not None:
        remember(request.scope["route"], listing)
    return await response(request, gateway, tenant_id, listing, told)


async def response(
    request: Request, gateway: Gateway, tenant_id: str, listing: Listing, told: bytes
) -> Response:
    """What the owner told of a page, or that it is what the client has."""
    shown = gateway.presented.page(told, listing.shape, listing.present)
    cursor = None
    if shown.following is not None:
        key = await _key(gateway, tenant_id)
        cursor = pagination.seal(key, listing.address.scope, shown.following)
    headers = listing.address.headers(cursor=cursor, limit=listing.limit, total=shown.total)
    headers["ETag"] = shown.tag
    if pagination.unchanged(request.headers.get("if-none-match"), shown.tag):
        return Response(status_code=304, headers=headers)
    return Response(shown.array, media_type=MEDIA_TYPE, headers=headers)


async def _everything(
    caller: Caller, question: PagedQuestion[P], shape: type[P], present: Present
) -> Response:
    first = await _page(caller, question, shape, present)
    if first.following is None:
        return Response(first.array, media_type=MEDIA_TYPE)

    async def shown() -> AsyncIterator[Sequence[bytes]]:
        page = first
        while True:
            yield [items] if (items := page.array[1:-1]) else []
            if page.following is None:
                return
            behind = _behind(question, page.following)
            page = await _patiently(partial(_page, caller, behind, shape, present))

    return StreamingResponse(json_stream.joined(shown()), media_type=MEDIA_TYPE)


async def _page(
    caller: Caller, question: PagedQuestion[P], shape: type[P], present: Present
) -> Shown:
    told = await caller.told(Asked.of(question))
    return caller.gateway.presented.page(told, shape, present)


def _behind(question: PagedQuestion[P], following: SortKey) -> PagedQuestion[P]:
    return question.model_copy(update={"after": following, "offset": 0})


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Half a list was sent already: its owner gets some time to come back."""
    for pause in PATIENCE:
        try:
            return await ask()
        except Unavailable:
            await asyncio.sleep(pause)
    return await ask()


async def _key(gateway: Gateway, tenant_id: str) -> bytes:
    key = await gateway.vault.data_key(tenant_id, CURSOR_KEY, create=True)
    assert key is not None  # noqa: S101  create=True always gives one
    return key
