"""/v1/chat: what was said, and what is thought of it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from services.gateway.http import lists
from services.gateway.http.chat import MessageOut
from services.gateway.http.context import CallerDep, Id, Timestamp
from shared.contracts.chat import Feedback, MessageView, SetFeedback
from shared.contracts.chat_history import (
    ChatView,
    ChatViews,
    GetChat,
    GetMessage,
    ListChats,
    ListMessages,
    MessageViews,
)
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/chat", tags=["chat"])

LISTED = 50
LISTED_AT_MOST = 100
FARTHEST = 2**31
"""An offset beyond it is as good as this one."""


class ChatSummary(BaseModel):
    id: str
    tenant_id: str
    bot_profile_id: str
    title: str
    """The first 100 characters of the first message."""
    message_count: int
    total_prompt_tokens: int
    total_completion_tokens: int
    created_at: Timestamp
    updated_at: Timestamp
    visitor_id: str | None = None
    """Who began it in a web page, as `POST /v1/visitors/{visitor_id}/erase` takes it."""
    replayed_chat_id: str | None = None
    """The chat of which this one, a replay, asks a turn once more."""


class FeedbackIn(BaseModel):
    feedback: Feedback | None
    """Null takes it back."""


@router.get(
    "",
    response_model=list[ChatSummary],
    responses={**responses(NotAuthenticated, InvalidCommand), 200: {"headers": HEADERS}},
)
async def list_chats(
    request: Request,
    caller: CallerDep,
    window: WindowDep,
    bot_profile_id: Id | None = None,
    offset: Annotated[int, Query(ge=0, description="A cursor is better: it misses nothing.")] = 0,
) -> Response:
    """Chats, newest first; 50 unless a `limit` is given, 100 at most."""
    begin = 0 if window.cursor is not None else min(offset, FARTHEST)
    question = ListChats(bot_profile_id=bot_profile_id, offset=begin)
    size = window.size(LISTED, LISTED_AT_MOST)
    return await lists.answer(
        request, caller, question, ChatViews, summary, window, size=size, again=True
    )


@router.get("/{chat_id}", responses=responses(NotAuthenticated, NotFound))
async def get(chat_id: Id, caller: CallerDep) -> ChatSummary:
    """One chat, without its messages."""
    question = GetChat(chat_id=chat_id, scope=caller.chat_scope)
    return summary(await caller.ask(question, ChatView))


@router.get(
    "/{chat_id}/messages",
    response_model=list[MessageOut],
    responses={**responses(NotAuthenticated, NotFound, InvalidCommand), 200: {"headers": HEADERS}},
)
async def messages(chat_id: Id, request: Request, caller: CallerDep, window: WindowDep) -> Response:
    """Everything that was said in a chat, oldest first."""
    question = ListMessages(chat_id=chat_id, scope=caller.chat_scope)
    return await lists.answer(
        request, caller, question, MessageViews, message_out, window, again=True
    )


@router.patch(
    "/{chat_id}/messages/{message_id}/feedback",
    responses=responses(NotAuthenticated, NotFound, InvalidCommand),
)
async def set_feedback(
    chat_id: Id, message_id: Id, body: FeedbackIn, caller: CallerDep
) -> MessageOut:
    """Say what you think of an answer, change your mind, or take it back."""
    names = {"chat_id": chat_id, "message_id": message_id}
    wanted = GetMessage(**names, scope=caller.chat_scope)
    if wanted.scope is not None:
        await caller.ask(wanted, MessageView)
    await caller.order(SetFeedback(**names, feedback=body.feedback))
    return message_out(await caller.ask(wanted, MessageView))


def summary(chat: ChatView) -> ChatSummary:
    return ChatSummary.model_validate(chat.model_dump())


def message_out(message: MessageView) -> MessageOut:
    return MessageOut.model_validate(message.model_dump())
