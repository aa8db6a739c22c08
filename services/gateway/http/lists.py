"""Lists: the owner answers in pages, the client gets one page or all of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

import orjson
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.gateway.http.context import Caller
from shared.contracts.base import Page, PagedQuestion, SortKey
from shared.kernel.errors import Unavailable
from shared.web import json_stream, pagination
from shared.web.pagination import Window

MEDIA_TYPE = "application/json"
PATIENCE = (0.2, 1.0, 3.0, 5.0)
"""Seconds before a page that did not come is asked for again; a restart of its owner is shorter."""
CURSOR_KEY = "cursors"

P = TypeVar("P", bound=Page)
Present = Callable[[Any], BaseModel] | type[BaseModel]
"""What a client is shown of an item. A class: its fields, as the owner wrote them; to read fifty
items, and to write them again, would be half of what a list costs.
"""


class Listed(Page):
    """A page of items that nobody reads on their way."""

    items: tuple[dict[str, Any], ...]


async def pages(
    caller: Caller, question: PagedQuestion[P], answer: type[P], first: P | None = None
) -> AsyncGenerator[P, None]:
    """Every page of a list, from `first` on. Raises the refusal, or `Unavailable`."""
    page = first or await caller.ask(question, answer)
    while True:
        yield page
        if page.following is None:
            return
        question = question.model_copy(update={"after": page.following, "offset": 0})
        page = await _ask_again(caller, question, answer)


async def answer(
    request: Request,
    caller: Caller,
    question: PagedQuestion[P],
    shape: type[P],
    present: Present,
    window: Window,
    *,
    size: int | None = None,
) -> Response:
    """The list as a JSON array: the page that `window` asks for, or all of it.

    A page that would be too large is shorter than it may be; `Link` leads on all the same. `size`
    makes a page of a list that is not asked for in parts.
    """
    if isinstance(present, type):
        listed = cast("PagedQuestion[Listed]", question)
        return await _answer(request, caller, listed, Listed, as_written(present), window, size)
    return await _answer(request, caller, question, shape, made(present), window, size)


def as_written(shape: type[BaseModel]) -> Callable[[Any], bytes]:
    """An item as JSON: the fields of `shape`, null where an older owner does not tell one."""
    names = tuple(shape.model_fields)
    return lambda item: orjson.dumps({name: item.get(name) for name in names})


def made(present: Callable[[Any], BaseModel]) -> Callable[[Any], bytes]:
    """An item as JSON, by way of what it becomes for a client."""
    return lambda item: json_stream.encoded(present(item))


async def _answer(
    request: Request,
    caller: Caller,
    question: PagedQuestion[P],
    shape: type[P],
    encoded: Callable[[Any], bytes],
    window: Window,
    size: int | None,
) -> Response:
    if window.whole and size is None:
        return await _everything(caller, question, shape, encoded)
    limit = window.size() if size is None else size
    scope = pagination.scope_of(request)
    after = None if window.cursor is None else await _unseal(caller, scope, window.cursor)
    changes = {"after": after, "limit": limit, "counted": True}
    page = await caller.ask(question.model_copy(update=changes), shape)
    cursor = None
    if page.following is not None:
        cursor = pagination.seal(await _key(caller), scope, page.following)
    told = pagination.headers(request, cursor=cursor, limit=window.limit, total=page.total)
    return Response(_array(page, encoded), media_type=MEDIA_TYPE, headers=told)


async def _everything(
    caller: Caller,
    question: PagedQuestion[P],
    shape: type[P],
    encoded: Callable[[Any], bytes],
) -> Response:
    first = await caller.ask(question, shape)
    if first.following is None:
        return Response(_array(first, encoded), media_type=MEDIA_TYPE)

    async def shown() -> AsyncIterator[Sequence[bytes]]:
        async with aclosing(pages(caller, question, shape, first)) as found:
            async for page in found:
                yield _shown(page, encoded)

    return StreamingResponse(json_stream.joined(shown()), media_type=MEDIA_TYPE)


def _shown(page: Any, encoded: Callable[[Any], bytes]) -> list[bytes]:
    return [encoded(item) for item in page.items]


def _array(page: Page, encoded: Callable[[Any], bytes]) -> bytes:
    return b"[" + b",".join(_shown(page, encoded)) + b"]"


async def _ask_again(caller: Caller, question: PagedQuestion[P], answer: type[P]) -> P:
    """Half a list was sent already: its owner gets some time to come back."""
    for pause in PATIENCE:
        try:
            return await caller.ask(question, answer)
        except Unavailable:
            await asyncio.sleep(pause)
    return await caller.ask(question, answer)


async def _key(caller: Caller) -> bytes:
    key = await caller.gateway.vault.data_key(caller.tenant_id, CURSOR_KEY, create=True)
    assert key is not None  # noqa: S101  create=True always gives one
    return key


async def _unseal(caller: Caller, scope: str, cursor: str) -> SortKey:
    return pagination.unseal(await _key(caller), scope, cursor)
