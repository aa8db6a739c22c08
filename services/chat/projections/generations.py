"""Facts about generations of a bot's index → the rows that say which of them answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import bot_indexes, indexed_sources
from shared.contracts.base import Event, Recorded
from shared.contracts.chat_index import (
    IndexRetired,
    IndexSettings,
    IndexSwitched,
    ReindexFailed,
    ReindexStarted,
)
from shared.contracts.ingest_shadow import ShadowPrepared

NOTHING = dict.fromkeys(
    ("building", "building_settings", "started_at", "reason", "failed_source_id")
)


class Current(NamedTuple):
    """The source that a shadow is of, as it answers."""

    name: str
    authority: str | None
    is_active: bool
    late: bool
    """Its bot answers from the shadow's generation already: so does the shadow, at once."""


async def started(
    db: AsyncConnection, recorded: Recorded[Event], event: ReindexStarted
) -> int | None:
    """Return the generation that is given up by this."""
    bot_id = event.bot_profile_id
    before = await _building(db, recorded.tenant_id, bot_id)
    building = {
        **NOTHING,
        "building": event.generation,
        "building_settings": event.settings.model_dump(),
        "started_at": recorded.at,
    }
    await _change(db, recorded, bot_id, **building)
    await _drop(db, recorded.tenant_id, bot_id)
    return before


async def cancelled(db: AsyncConnection, recorded: Recorded[Event], bot_id: str) -> None:
    await _change(db, recorded, bot_id, **NOTHING)
    await _drop(db, recorded.tenant_id, bot_id)


async def failed(db: AsyncConnection, recorded: Recorded[Event], event: ReindexFailed) -> None:
    await _change(
        db,
        recorded,
        event.bot_profile_id,
        reason=event.reason,
        failed_source_id=event.source_id,
    )


async def switched(db: AsyncConnection, recorded: Recorded[Event], event: IndexSwitched) -> None:
    """Sources whose newest revision is in the generation answer from it, all in one transaction.

    One that came too late for it goes on answering as it does until its shadow is there.
    """
    tenant_id, bot_id = recorded.tenant_id, event.bot_profile_id
    now = {
        **NOTHING,
        "generation": event.generation,
        "settings": event.settings.model_dump(),
        "switched_at": recorded.at,
    }
    await _change(db, recorded, bot_id, **now)
    mine, other = indexed_sources, indexed_sources.alias()
    of_bot = (mine.c.tenant_id == tenant_id, mine.c.bot_profile_id == bot_id)
    ready = (
        select(other.c.source_id)
        .where(
            other.c.tenant_id == mine.c.tenant_id,
            other.c.source_id == mine.c.source_id,
            other.c.generation == event.generation,
            other.c.revision >= mine.c.revision,
        )
        .exists()
    )
    await db.execute(delete(mine).where(*of_bot, mine.c.generation != event.generation, ready))
    answers = (
        select(other.c.source_id)
        .where(
            other.c.tenant_id == mine.c.tenant_id,
            other.c.source_id == mine.c.source_id,
            other.c.answers,
        )
        .exists()
    )
    await db.execute(
        update(mine)
        .where(*of_bot, mine.c.generation == event.generation, ~answers)
        .values(answers=True)
    )
    await _drop(db, tenant_id, bot_id)


async def current(db: AsyncConnection, tenant_id: str, event: ShadowPrepared) -> Current | None:
    """None if the source has gone on or is gone, or the generation was given up."""
    mine, bot = indexed_sources.c, bot_indexes.c
    wanted = event.generation
    query = (
        select(mine.name, mine.authority, mine.is_active, (bot.generation == wanted).label("late"))
        .join(
            bot_indexes,
            (bot.tenant_id == mine.tenant_id) & (bot.bot_profile_id == mine.bot_profile_id),
        )
        .where(
            mine.tenant_id == tenant_id,
            mine.source_id == event.source_id,
            mine.answers,
            mine.revision == event.revision,
            or_(bot.generation == wanted, bot.building == wanted),
        )
    )
    row = (await db.execute(query)).one_or_none()
    return None if row is None else Current(*row)


async def sources(
    db: AsyncConnection, tenant_id: str, event: IndexRetired, after: str, limit: int
) -> Sequence[str]:
    """Sources of the bot that answer from this generation, by id, behind `after`."""
    mine = indexed_sources.c
    query = (
        select(mine.source_id)
        .where(
            mine.tenant_id == tenant_id,
            mine.bot_profile_id == event.bot_profile_id,
            mine.answers,
            mine.generation == event.generation,
            mine.source_id > after,
        )
        .order_by(mine.source_id)
        .limit(limit)
    )
    if event.source_id is not None:
        query = query.where(mine.source_id == event.source_id)
    return (await db.scalars(query)).all()


async def _building(db: AsyncConnection, tenant_id: str, bot_id: str) -> int | None:
    query = select(bot_indexes.c.building).where(
        bot_indexes.c.tenant_id == tenant_id, bot_indexes.c.bot_profile_id == bot_id
    )
    found: int | None = await db.scalar(query)
    return found


async def _change(
    db: AsyncConnection, recorded: Recorded[Event], bot_id: str, **values: Any
) -> None:
    row = {
        "tenant_id": recorded.tenant_id,
        "bot_profile_id": bot_id,
        "generation": 0,
        "settings": IndexSettings().model_dump(),
        **values,
    }
    await db.execute(
        insert(bot_indexes)
        .values(row)
        .on_conflict_do_update(index_elements=["tenant_id", "bot_profile_id"], set_=values)
    )


async def _drop(db: AsyncConnection, tenant_id: str, bot_id: str) -> None:
    """Rows of a generation that does not answer."""
    mine = indexed_sources.c
    await db.execute(
        delete(indexed_sources).where(
            mine.tenant_id == tenant_id, mine.bot_profile_id == bot_id, ~mine.answers
        )
    )
