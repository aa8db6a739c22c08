"""Questions to the chat service about what was said: chats and their messages."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Message, Page, PagedQuestion, Question
from shared.contracts.chat import ChatScope, MessageView


class ChatView(Message):
    id: str
    tenant_id: str
    bot_profile_id: str
    title: str
    message_count: int
    total_prompt_tokens: int
    total_completion_tokens: int
    created_at: datetime
    updated_at: datetime


class ChatViews(Page):
    items: tuple[ChatView, ...]


class MessageViews(Page):
    items: tuple[MessageView, ...]


class GetChat(Question[ChatView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_chat"
    chat_id: str
    scope: ChatScope | None = None


class ListChats(PagedQuestion[ChatViews]):
    """Chats, newest first."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_chats"
    bot_profile_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    """Both included."""
    offset: int = Field(default=0, ge=0)


class ListMessages(PagedQuestion[MessageViews]):
    """What was said in a chat, oldest first. Refused if there is no such chat."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_messages"
    chat_id: str
    scope: ChatScope | None = None


class GetMessage(Question[MessageView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_message"
    chat_id: str
    message_id: str
    scope: ChatScope | None = None


class UnansweredView(Message):
    """A question that a bot did not answer from its sources, however often it was asked."""

    id: str
    """Of the message that asked it last."""
    question: str
    """As it was asked last."""
    count: int
    reason: Literal["nothing_found", "below_floor", "not_grounded"]
    """Of the last time; `not_grounded`: a model answered without citing anything."""
    best_score: float | None
    """The best evidence that was ever found for it."""
    bot_profile_id: str
    chat_id: str
    turn_id: str
    first_asked_at: datetime
    last_asked_at: datetime


class UnansweredViews(Page):
    items: tuple[UnansweredView, ...]


class ListUnanswered(PagedQuestion[UnansweredViews]):
    """What bots could not answer, the last asked first or the most often asked."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "list_unanswered"
    bot_profile_id: str | None = None
    asked_from: datetime | None = None
    by: Literal["recent", "count"] = "recent"
