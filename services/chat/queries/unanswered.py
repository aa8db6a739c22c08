"""Questions about what bots could not answer."""

from sqlalchemy import ColumnElement, Select, Text, and_, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from services.chat.tables import chats, messages, turns
from shared.adapters.pages import cut, page_of
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.chat_history import ListUnanswered, UnansweredView, UnansweredViews

OTHER_BYTES = 500
"""Of a question as JSON: everything but its text."""
NOT_GROUNDED = "not_grounded"


class UnansweredQueries:
    """Reads the model `chat_chats`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def list_unanswered(self, question: ListUnanswered, meta: Metadata) -> UnansweredViews:
        """Questions that differ in case and blanks only are one."""
        found = _grouped(_wanted(question, meta.tenant_id)).subquery("unanswered")
        query = select(found)
        place = found.c.last_sequence if question.by == "recent" else found.c["count"]
        page = page_of(
            query,
            (place, found.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(found.c.question) + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows = (await db.execute(page)).mappings().all()
            total = None
            if question.counted:
                total = await db.scalar(select(func.count()).select_from(query.subquery()))
        items, following = cut(rows, [UnansweredView.model_validate(dict(row)) for row in rows])
        return UnansweredViews(items=items, following=following, total=total)


def _grouped(wanted: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    """One row per question and bot; what a row tells once is of the last time."""

    def last(column: ColumnElement[str]) -> ColumnElement[str]:
        newest = aggregate_order_by(column, messages.c.sequence.desc())
        return func.array_agg(newest, type_=ARRAY(Text))[1]

    reason = func.coalesce(turns.c.reason, NOT_GROUNDED)
    return (
        select(
            last(messages.c.id).label("id"),
            last(messages.c.content).label("question"),
            func.count().label("count"),
            last(reason).label("reason"),
            func.max(turns.c.best_score).label("best_score"),
            chats.c.bot_profile_id,
            last(turns.c.chat_id).label("chat_id"),
            last(turns.c.turn_id).label("turn_id"),
            func.min(messages.c.created_at).label("first_asked_at"),
            func.max(messages.c.created_at).label("last_asked_at"),
            func.max(messages.c.sequence).label("last_sequence"),
        )
        .join_from(
            turns,
            messages,
            and_(
                messages.c.tenant_id == turns.c.tenant_id,
                messages.c.chat_id == turns.c.chat_id,
                messages.c.turn_id == turns.c.turn_id,
                messages.c.role == "user",
            ),
        )
        .join(chats, and_(chats.c.tenant_id == turns.c.tenant_id, chats.c.id == turns.c.chat_id))
        .where(wanted)
        .group_by(
            chats.c.bot_profile_id,
            func.lower(func.regexp_replace(func.btrim(messages.c.content), r"\s+", " ", "g")),
        )
    )


def _wanted(question: ListUnanswered, tenant_id: str) -> ColumnElement[bool]:
    silent = and_(turns.c.status == "answered", ~turns.c.grounded, ~turns.c.stopped)
    wanted = [turns.c.tenant_id == tenant_id, or_(turns.c.status == "refused", silent)]
    if question.bot_profile_id is not None:
        wanted.append(chats.c.bot_profile_id == question.bot_profile_id)
    if question.asked_from is not None:
        wanted.append(messages.c.created_at >= question.asked_from)
    return and_(*wanted)
