"""/v1/chat/export and /v1/chat/{id}/export: one chat or many, written while they are read."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator

from services.gateway.http import lists
from services.gateway.http.chat import MessageOut
from services.gateway.http.chats import ChatSummary, message_out, summary
from services.gateway.http.context import Caller, CallerDep, Id, Text, Timestamp, timestamp
from shared.contracts.chat_history import (
    ChatView,
    ChatViews,
    GetChat,
    ListChats,
    ListMessages,
    MessageViews,
)
from shared.kernel.clock import utc_now
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound
from shared.web import csv_stream, json_stream
from shared.web.problem import responses

router = APIRouter(prefix="/v1/chat", tags=["exports"])

CHATS = 100
CHATS_AT_MOST = 1000
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MESSAGE_COLUMNS = (
    "message_id",
    "role",
    "content",
    "feedback",
    "prompt_tokens",
    "completion_tokens",
    "created_at",
)
CHAT_COLUMNS = ("chat_id", "chat_title", *MESSAGE_COLUMNS)


def _day(value: Any) -> Any:
    """Raise `ValueError` for anything but a day; a date alone would take times and numbers too."""
    if not isinstance(value, str) or not DAY.fullmatch(value):
        raise ValueError("must be a day: YYYY-MM-DD")
    return value


Day = Annotated[date, BeforeValidator(_day)]
Format = Annotated[Text, Query(description="`csv`, or JSON for anything else.")]


class ExportedChat(BaseModel):
    chat: ChatSummary
    messages: list[MessageOut]


class ChatExport(ExportedChat):
    exported_at: Timestamp


class ChatsExport(BaseModel):
    chats: list[ExportedChat]
    exported_at: Timestamp


CSV = {"content": {"text/csv": {"schema": {"type": "string"}}}}


@router.get(
    "/export",
    response_model=ChatsExport,
    responses={**responses(NotAuthenticated, InvalidCommand), 200: CSV},
)
async def export_chats(
    caller: CallerDep,
    bot_profile_id: Id | None = None,
    from_date: Annotated[Day | None, Query(description="First day, in UTC.")] = None,
    to_date: Annotated[Day | None, Query(description="Last day, included, in UTC.")] = None,
    limit: Annotated[int, Query(ge=0, description=f"Chats; {CHATS_AT_MOST} at most.")] = CHATS,
    format: Format = "json",  # noqa: A002  the contract's name
) -> StreamingResponse:
    """The newest chats with everything that was said in them."""
    question = ListChats(
        bot_profile_id=bot_profile_id,
        created_from=None if from_date is None else datetime.combine(from_date, time.min, UTC),
        created_to=None if to_date is None else datetime.combine(to_date, time.max, UTC),
    )
    wanted = min(limit, CHATS_AT_MOST)
    first = await caller.ask(question.model_copy(update={"limit": min(wanted, 100)}), ChatViews)
    chats = _chats(caller, question, first, wanted)
    if format == "csv":
        return _csv("chats_export.csv", _chat_rows(caller, chats))
    return StreamingResponse(_chats_json(caller, chats), media_type=lists.MEDIA_TYPE)


@router.get(
    "/{chat_id}/export",
    response_model=ChatExport,
    responses={**responses(NotAuthenticated, NotFound), 200: CSV},
)
async def export_chat(
    chat_id: Id,
    caller: CallerDep,
    format: Format = "json",  # noqa: A002  the contract's name
) -> StreamingResponse:
    """One chat with everything that was said in it."""
    chat = await caller.ask(GetChat(chat_id=chat_id), ChatView)
    if format == "csv":
        return _csv(f"chat_{chat.id}.csv", _message_rows(caller, chat))
    return StreamingResponse(_chat_json(caller, chat), media_type=lists.MEDIA_TYPE)


def _csv(filename: str, body: AsyncIterator[bytes]) -> StreamingResponse:
    headers = {"Content-Disposition": f"attachment; filename={filename}"}
    return StreamingResponse(body, media_type=csv_stream.MEDIA_TYPE, headers=headers)


async def _chats(
    caller: Caller, question: ListChats, first: ChatViews, wanted: int
) -> AsyncGenerator[ChatView, None]:
    """The newest `wanted` chats."""
    left = wanted
    async with aclosing(lists.pages(caller, question, ChatViews, first)) as pages:
        async for page in pages:
            for chat in page.items[:left]:
                yield chat
            left -= len(page.items)
            if left <= 0:
                return


async def _messages(caller: Caller, chat: ChatView) -> AsyncGenerator[list[MessageOut], None]:
    """What was said in a chat, a page at a time."""
    question = ListMessages(chat_id=chat.id)
    async with aclosing(lists.pages(caller, question, MessageViews)) as pages:
        async for page in pages:
            yield [message_out(message) for message in page.items]


async def _chat_json(caller: Caller, chat: ChatView) -> AsyncGenerator[bytes, None]:
    async for piece in _open_chat(caller, chat):
        yield piece
    yield b',"exported_at":' + _now() + b"}"


async def _chats_json(
    caller: Caller, chats: AsyncGenerator[ChatView, None]
) -> AsyncGenerator[bytes, None]:
    before = b'{"chats":['
    async with aclosing(chats):
        async for chat in chats:
            yield before
            async for piece in _open_chat(caller, chat):
                yield piece
            before = b"},"
    yield (b"}" if before == b"}," else before) + b'],"exported_at":' + _now() + b"}"


async def _open_chat(caller: Caller, chat: ChatView) -> AsyncGenerator[bytes, None]:
    """A chat and its messages, as the beginning of an object."""
    yield b'{"chat":' + json_stream.encoded(summary(chat)) + b',"messages":'
    async with aclosing(_messages(caller, chat)) as pages:
        async for piece in json_stream.array(pages):
            yield piece


async def _message_rows(caller: Caller, chat: ChatView) -> AsyncGenerator[bytes, None]:
    yield csv_stream.rows([MESSAGE_COLUMNS])
    async with aclosing(_messages(caller, chat)) as pages:
        async for page in pages:
            yield csv_stream.rows(map(_row, page))


async def _chat_rows(
    caller: Caller, chats: AsyncGenerator[ChatView, None]
) -> AsyncGenerator[bytes, None]:
    yield csv_stream.rows([CHAT_COLUMNS])
    async with aclosing(chats):
        async for chat in chats:
            async with aclosing(_messages(caller, chat)) as pages:
                async for page in pages:
                    yield csv_stream.rows((chat.id, chat.title, *_row(one)) for one in page)


def _row(message: MessageOut) -> Sequence[object]:
    return (
        message.id,
        message.role,
        message.content,
        message.feedback,
        message.prompt_tokens,
        message.completion_tokens,
        timestamp(message.created_at),
    )


def _now() -> bytes:
    return orjson.dumps(timestamp(utc_now()))
