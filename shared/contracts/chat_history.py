"""Questions to the chat service about what was said: chats and their messages."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from shared.contracts.base import Message, Page, PagedQuestion, Question
from shared.contracts.chat import ChatScope, MessageView, TurnView
from shared.contracts.chat_replay import Passages


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
    visitor_id: str | None = None
    """Who began it in a web page."""
    replayed_chat_id: str | None = None
    """The chat of which it asks a turn once more."""


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


class ChatTotals(Message):
    chats: int
    messages: int
    turns: int
    prompt_tokens: int
    completion_tokens: int


class CountChats(Question[ChatTotals]):
    """All that was ever said to the bots of the tenant."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "count_chats"


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


class ChatCount(Message):
    chats: int


class CountChatsOfVisitor(Question[ChatCount]):
    """How many chats an erasure of a visitor of web pages would take."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "count_chats_of_visitor"
    visitor_id: str


class CountOldChats(Question[ChatCount]):
    """How many chats an erasure would take of those in which nothing was said from then on."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "count_old_chats"
    before: datetime


class ReplayedTurn(Message):
    """A past turn, as it is asked again."""

    bot_profile_id: str
    question: str
    turn: TurnView


class GetReplayed(Question[ReplayedTurn]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_replayed"
    turn_id: str
    passages: Passages = "today"
