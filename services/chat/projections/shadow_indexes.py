"""Facts about runs with indexes of their own → vector indexes that last as long as the runs.

Each has one for itself: points beside those of the bot would change what its words are worth, and
with that the answers that visitors get.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.ports import Scope, VectorIndex, VectorIndexes
from services.chat.tables import indexed_sources, shadow_indexes, shadow_sources
from shared.contracts.base import Event, Recorded
from shared.contracts.chat_playground import RunCancelled, RunEnded, RunStarted
from shared.contracts.ingest import Prepared, SourceDeleted, SourceUpdated
from shared.contracts.ingest_shadow_parts import PartPrepared
from shared.kernel.ids import new_id

COPIED = ("revision", "language", "name", "title", "url", "text_ref", "authority", "is_active")
"""Columns that a source has here as it answered when the run began."""

Put = Callable[[VectorIndex, Recorded[PartPrepared], Prepared], Awaitable[None]]
"""Put the points of a part in, and flush."""


class ShadowIndexes:
    """Made when a run begins, filled by what ingest prepares, dropped when the run is over."""

    def __init__(self, indexes: VectorIndexes, put: Put) -> None:
        self._indexes = indexes
        self._put = put

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case RunStarted() as event:
                await _begin(db, recorded.tenant_id, event)
            case PartPrepared() as event:
                await self._part(db, recorded, event)
            case RunEnded(run_id=run_id) | RunCancelled(run_id=run_id):
                await self._drop(db, recorded.tenant_id, run_id)
            case SourceUpdated(source_id=source_id, settings=settings):
                its = _of_source(recorded.tenant_id, source_id)
                values = {
                    "name": settings.name,
                    "authority": settings.authority,
                    "is_active": settings.is_active,
                }
                await db.execute(update(shadow_sources).where(*its).values(values))
            case SourceDeleted(source_id=source_id):
                await self._forget(db, recorded.tenant_id, source_id)
            case _:
                pass

    async def _part(
        self, db: AsyncConnection, recorded: Recorded[Any], event: PartPrepared
    ) -> None:
        """Nothing comes of a part of a run that is over, or of a source that was deleted."""
        its = (
            shadow_sources.c.tenant_id == recorded.tenant_id,
            shadow_sources.c.run_id == event.run_id,
            shadow_sources.c.number == event.index,
        )
        mine = (*its, shadow_sources.c.source_id == event.source_id)
        if await db.scalar(select(shadow_sources.c.made).where(*mine)) is not False:
            return
        of_run = (
            shadow_indexes.c.tenant_id == recorded.tenant_id,
            shadow_indexes.c.run_id == event.run_id,
            shadow_indexes.c.number == event.index,
        )
        prepared = event.prepared
        name = await db.scalar(
            update(shadow_indexes)
            .where(*of_run)
            .values(embedding_model=prepared.embedding_model, dimension=prepared.dimension)
            .returning(shadow_indexes.c.collection)
        )
        index = await self._indexes.open(str(name), prepared.dimension)
        await self._put(index, recorded, prepared)
        values = {
            "made": True,
            "revision": prepared.revision,
            "language": prepared.language,
            "title": prepared.title,
            "url": prepared.url,
            "text_ref": prepared.text_ref,
        }
        await db.execute(update(shadow_sources).where(*mine).values(values))

    async def _drop(self, db: AsyncConnection, tenant_id: str, run_id: str) -> None:
        mine = shadow_indexes.c
        gone = delete(shadow_indexes).where(mine.tenant_id == tenant_id, mine.run_id == run_id)
        names = (await db.scalars(gone.returning(mine.collection))).all()
        if not names:
            return
        its = shadow_sources.c
        rows = delete(shadow_sources).where(its.tenant_id == tenant_id, its.run_id == run_id)
        await db.execute(rows)
        for name in names:
            await self._indexes.drop(name)

    async def _forget(self, db: AsyncConnection, tenant_id: str, source_id: str) -> None:
        """Rows and points of a source, in all indexes that have them."""
        mine, its = shadow_indexes.c, shadow_sources.c
        query = (
            select(mine.collection, mine.dimension)
            .join(
                shadow_sources,
                (its.tenant_id == mine.tenant_id)
                & (its.run_id == mine.run_id)
                & (its.number == mine.number),
            )
            .where(*_of_source(tenant_id, source_id), its.made)
        )
        for name, dimension in (await db.execute(query)).all():
            index = await self._indexes.open(name, dimension)
            await index.delete(Scope(tenant_id, source_id=source_id))
            await index.flush()
        await db.execute(delete(shadow_sources).where(*_of_source(tenant_id, source_id)))


async def _begin(db: AsyncConnection, tenant_id: str, event: RunStarted) -> None:
    """With every source that answers as of now."""
    bot_id, mine = event.plan.bot_profile_id, indexed_sources.c
    for number in range(len(event.plan.indexes)):
        row = {
            "tenant_id": tenant_id,
            "run_id": event.run_id,
            "number": number,
            "bot_profile_id": bot_id,
            "collection": f"shadow-{new_id()}",
        }
        await db.execute(insert(shadow_indexes).values(row))
        answering = select(
            mine.tenant_id,
            literal(event.run_id),
            literal(number),
            mine.source_id,
            literal(value=False),
            *(mine[name] for name in COPIED),
        ).where(mine.tenant_id == tenant_id, mine.bot_profile_id == bot_id, mine.answers)
        columns = ("tenant_id", "run_id", "number", "source_id", "made", *COPIED)
        await db.execute(insert(shadow_sources).from_select(columns, answering))


def _of_source(tenant_id: str, source_id: str) -> tuple[Any, ...]:
    return shadow_sources.c.tenant_id == tenant_id, shadow_sources.c.source_id == source_id
