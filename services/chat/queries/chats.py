"""Questions about what was said."""

from sqlalchemy import ColumnElement, func, select

from services.chat.queries.scope import within
from services.chat.tables import chats, messages, turns
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat import MessageView
from shared.contracts.chat_history import (
    ChatTotals,
    ChatView,
    ChatViews,
    CountChats,
    GetChat,
    GetMessage,
    ListChats,
    ListMessages,
    MessageViews,
)
from shared.kernel.errors import NotFound

OTHER_BYTES = 300
"""Of a chat or message as JSON: everything but its text."""


class ChatQueries:
    """Reads the model `chat_chats`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_chat(self, question: GetChat, meta: Metadata) -> ChatView:
        """Raise `NotFound` if the tenant has no such chat."""
        query = select(chats).where(
            chats.c.tenant_id == meta.tenant_id,
            chats.c.id == question.chat_id,
            *within(question.scope, meta.tenant_id, chats.c.id),
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Chat session not found")
        return ChatView.model_validate(dict(row))

    async def list_chats(self, question: ListChats, meta: Metadata) -> ChatViews:
        query = select(chats).where(chats.c.tenant_id == meta.tenant_id, *_wanted(question))
        page = page_of(
            query,
            (chats.c.position, chats.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(chats.c.title) + OTHER_BYTES,
            offset=question.offset,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [ChatView.model_validate(dict(row)) for row in rows])
        return ChatViews(items=items, following=following, total=total)

    async def count_chats(self, _question: CountChats, meta: Metadata) -> ChatTotals:
        """From the counts that chats keep, so that messages are not counted one by one."""
        counted = (chats.c.message_count, chats.c.total_prompt_tokens)
        sums = [
            func.coalesce(func.sum(column), 0)
            for column in (*counted, chats.c.total_completion_tokens)
        ]
        query = select(func.count(), *sums).where(chats.c.tenant_id == meta.tenant_id)
        ended = select(func.count()).where(
            turns.c.tenant_id == meta.tenant_id, turns.c.usage.is_not(None)
        )
        async with self._store.reading(meta.tenant_id) as db:
            number, said, prompt, completion = (await db.execute(query)).one()
            return ChatTotals(
                chats=number,
                messages=said,
                turns=await db.scalar(ended) or 0,
                prompt_tokens=prompt,
                completion_tokens=completion,
            )

    async def list_messages(self, question: ListMessages, meta: Metadata) -> MessageViews:
        """Raise `NotFound` if the tenant has no such chat."""
        query = select(messages).where(
            messages.c.tenant_id == meta.tenant_id,
            messages.c.chat_id == question.chat_id,
            *within(question.scope, meta.tenant_id, messages.c.chat_id),
        )
        page = page_of(
            query,
            (messages.c.sequence, messages.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=False,
            size=func.octet_length(messages.c.content) + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        if not rows and question.after is None:
            await self.get_chat(GetChat(chat_id=question.chat_id, scope=question.scope), meta)
        items, following = cut(rows, [MessageView.model_validate(dict(row)) for row in rows])
        return MessageViews(items=items, following=following, total=total)

    async def get_message(self, question: GetMessage, meta: Metadata) -> MessageView:
        """Raise `NotFound` if the chat has no such message."""
        query = select(messages).where(
            messages.c.tenant_id == meta.tenant_id,
            messages.c.chat_id == question.chat_id,
            messages.c.id == question.message_id,
            *within(question.scope, meta.tenant_id, messages.c.chat_id),
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Message not found")
        return MessageView.model_validate(dict(row))


def _wanted(question: ListChats) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if question.bot_profile_id is not None:
        wanted.append(chats.c.bot_profile_id == question.bot_profile_id)
    if question.created_from is not None:
        wanted.append(chats.c.created_at >= question.created_from)
    if question.created_to is not None:
        wanted.append(chats.c.created_at <= question.created_to)
    return wanted
