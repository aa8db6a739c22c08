"""Which chats an erasure takes."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from services.chat.tables import chats, erased_chats, turns
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat_history import ChatCount, CountChatsOfVisitor, CountOldChats

PAGE = 200


class ErasureQueries:
    """Reads the model `chat_chats`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def of_visitor(self, tenant_id: str, visitor_id: str) -> Sequence[str]:
        """Some of the visitor's chats; none: there are no more."""
        return await self._some(tenant_id, chats.c.visitor_id == visitor_id)

    async def older(self, tenant_id: str, before: datetime) -> Sequence[str]:
        """Some chats in which nothing was said from then on; none: there are no more."""
        return await self._some(tenant_id, chats.c.updated_at < before)

    async def replaying(self, tenant_id: str, erasure_id: str) -> Sequence[str]:
        """Some chats that replay turns of what an erasure took; none: there are no more."""
        taken = select(erased_chats.c.id).where(
            erased_chats.c.tenant_id == tenant_id, erased_chats.c.erasure_id == erasure_id
        )
        return await self._some(tenant_id, chats.c.replayed_chat_id.in_(taken))

    async def erased(self, tenant_id: str, erasure_id: str) -> int:
        """How many chats an erasure has taken."""
        query = select(func.count()).where(
            erased_chats.c.tenant_id == tenant_id, erased_chats.c.erasure_id == erasure_id
        )
        async with self._store.reading(tenant_id) as db:
            return await db.scalar(query) or 0

    async def turns_of(self, tenant_id: str, chat_id: str) -> Sequence[str]:
        query = select(turns.c.turn_id).where(
            turns.c.tenant_id == tenant_id, turns.c.chat_id == chat_id
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()

    async def count_of_visitor(self, question: CountChatsOfVisitor, meta: Metadata) -> ChatCount:
        return await self._going(meta.tenant_id, chats.c.visitor_id == question.visitor_id)

    async def count_old(self, question: CountOldChats, meta: Metadata) -> ChatCount:
        return await self._going(meta.tenant_id, chats.c.updated_at < question.before)

    async def _going(self, tenant_id: str, which: ColumnElement[bool]) -> ChatCount:
        """How many chats an erasure would take: these, and all that replay one of them."""
        taken = select(chats.c.id).where(chats.c.tenant_id == tenant_id, which)
        going = taken.cte("going", recursive=True)
        more = (
            select(chats.c.id)
            .join(going, chats.c.replayed_chat_id == going.c.id)
            .where(chats.c.tenant_id == tenant_id)
        )
        query = select(func.count()).select_from(going.union(more))
        async with self._store.reading(tenant_id) as db:
            return ChatCount(chats=await db.scalar(query) or 0)

    async def _some(self, tenant_id: str, which: ColumnElement[bool]) -> Sequence[str]:
        query = select(chats.c.id).where(chats.c.tenant_id == tenant_id, which).limit(PAGE)
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()
