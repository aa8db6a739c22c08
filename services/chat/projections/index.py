"""Facts about sources → points in the vector engine, and the rows that say which may answer."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.ports import Point, Scope, Terms, VectorIndex, VectorIndexes
from services.chat.projections import generations
from services.chat.projections.shadow_indexes import ShadowIndexes
from services.chat.tables import collections, indexed_sources
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import PreparedChunk, read_batch
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import IndexBuilt
from shared.contracts.chat_index import (
    IndexRetired,
    IndexSwitched,
    ReindexCancelled,
    ReindexFailed,
    ReindexStarted,
)
from shared.contracts.gateway_erasure import ErasureTold
from shared.contracts.ingest import Prepared, SourceDeleted, SourcePrepared, SourceUpdated
from shared.contracts.ingest_shadow import ShadowPrepared
from shared.contracts.ingest_shadow_parts import PartPrepared
from shared.kernel import faults
from shared.kernel.faults import FaultPoint
from shared.kernel.ids import derived_id, new_id

PAGE = 500
"""Sources whose points are taken out in one call."""
FIRST = 1
"""Revision of a source before which there is none to take out."""


class Index:
    """The retrieval index: points in the vector engine, and the rows that say which may answer.

    New points are flushed before the rows name their revision, and old ones are taken out when
    that is told (`IndexBuilt`): at every moment exactly one whole revision of a source answers.
    Of a bot's generations it is the same: `IndexSwitched` changes the rows, and `IndexRetired`
    takes out what they no longer name.
    """

    def __init__(self, indexes: VectorIndexes, blobs: Blobs, terms: Terms) -> None:
        self._indexes = indexes
        self._blobs = blobs
        self._terms = terms
        self._shadows = ShadowIndexes(indexes, self._put_part)

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self._shadows.apply(db, recorded)
        tenant_id = recorded.tenant_id
        match recorded.event:
            case SourcePrepared() as event:
                await self._index(db, recorded, event)
            case ShadowPrepared() as event:
                await self._shadow(db, recorded, event)
            case SourceUpdated(source_id=source_id, settings=settings):
                await _indexed(
                    db,
                    tenant_id,
                    source_id,
                    name=settings.name,
                    authority=settings.authority,
                    is_active=settings.is_active,
                )
            case SourceDeleted(source_id=source_id):
                if await _forgotten(db, tenant_id, source_id):
                    await self._clean(db, Scope(tenant_id, source_id=source_id))
            case IndexBuilt(source_id=source_id, revision=revision) if revision > FIRST:
                scope = Scope(tenant_id, source_id=source_id)
                await self._clean(db, scope, below_revision=revision)
            case IndexRetired() as event:
                await self._retire(db, tenant_id, event)
            case ReindexStarted(bot_profile_id=bot_id) as event:
                given_up = await generations.started(db, recorded, event)
                await self._give_up(db, tenant_id, bot_id, given_up)
            case ReindexCancelled(bot_profile_id=bot_id, generation=generation):
                await generations.cancelled(db, recorded, bot_id)
                await self._give_up(db, tenant_id, bot_id, generation)
            case ReindexFailed() as event:
                await generations.failed(db, recorded, event)
            case ErasureTold(kind="tenant"):
                await self._clean(db, Scope(tenant_id))
            case IndexSwitched() as event:
                await generations.switched(db, recorded, event)
            case _:
                pass

    async def _clean(
        self, db: AsyncConnection, scope: Scope, below_revision: int | None = None
    ) -> None:
        rows = await db.execute(select(collections.c.name, collections.c.dimension))
        for name, dimension in rows.all():
            index = await self._indexes.open(name, dimension)
            await index.delete(scope, below_revision=below_revision)
            faults.passed(FaultPoint.INDEX_DELETED)
            await index.flush()

    async def _give_up(
        self, db: AsyncConnection, tenant_id: str, bot_id: str, generation: int | None
    ) -> None:
        """Points of a generation that never answered."""
        if generation is not None:
            await self._clean(db, Scope(tenant_id, bot_id, generations=(generation,)))

    async def _retire(self, db: AsyncConnection, tenant_id: str, event: IndexRetired) -> None:
        """Points of earlier generations of all sources that answer from this one."""
        older = tuple(range(event.generation))
        after = ""
        while found := await generations.sources(db, tenant_id, event, after, PAGE):
            scope = Scope(tenant_id, source_ids=tuple(found), generations=older)
            await self._clean(db, scope)
            after = found[-1]

    async def _index(
        self, db: AsyncConnection, recorded: Recorded[Event], event: SourcePrepared
    ) -> None:
        prepared = event.prepared
        await self._put(db, recorded.tenant_id, event.source_id, event.bot_profile_id, prepared)
        await _forgotten(db, recorded.tenant_id, event.source_id)
        row = {
            "name": event.source_name,
            "authority": event.authority,
            "is_active": event.is_active,
            "answers": True,
        }
        await _store(db, recorded.tenant_id, event.source_id, event.bot_profile_id, prepared, **row)

    async def _shadow(
        self, db: AsyncConnection, recorded: Recorded[Event], event: ShadowPrepared
    ) -> None:
        """Nothing comes of a shadow of what was deleted, replaced or given up meanwhile."""
        tenant_id, prepared = recorded.tenant_id, event.prepared
        current = await generations.current(db, tenant_id, event)
        if current is None:
            return
        await self._put(db, tenant_id, event.source_id, event.bot_profile_id, prepared)
        if current.late:
            await _forgotten(db, tenant_id, event.source_id)
        row = {
            "name": current.name,
            "authority": current.authority,
            "is_active": current.is_active,
            "answers": current.late,
        }
        await _store(db, tenant_id, event.source_id, event.bot_profile_id, prepared, **row)

    async def _put(
        self,
        db: AsyncConnection,
        tenant_id: str,
        source_id: str,
        bot_profile_id: str,
        prepared: Prepared,
    ) -> None:
        index = await self._indexes.open(await _collection(db, prepared), prepared.dimension)
        await self._fill(index, tenant_id, source_id, bot_profile_id, prepared)

    async def _put_part(
        self, index: VectorIndex, recorded: Recorded[PartPrepared], prepared: Prepared
    ) -> None:
        event = recorded.event
        its = (event.source_id, event.bot_profile_id)
        await self._fill(index, recorded.tenant_id, *its, prepared, event.aggregate_id)

    async def _fill(
        self,
        index: VectorIndex,
        tenant_id: str,
        source_id: str,
        bot_profile_id: str,
        prepared: Prepared,
        part: str = "",
    ) -> None:
        """`part` tells chunks of a shadow index from those that answer."""

        async def made(ref: str) -> list[Point]:
            data = await self._blobs.get(tenant_id, ref)
            return await asyncio.to_thread(
                self._points, tenant_id, source_id, bot_profile_id, prepared, data, part
            )

        async with aclosing(_ahead(made, [batch.ref for batch in prepared.batches])) as batches:
            async for points in batches:
                await index.upsert(points)
        faults.passed(FaultPoint.INDEX_UPSERTED)
        await index.flush()

    def _points(
        self,
        tenant_id: str,
        source_id: str,
        bot_profile_id: str,
        prepared: Prepared,
        data: bytes,
        part: str,
    ) -> list[Point]:
        return [
            self._point(tenant_id, source_id, bot_profile_id, prepared, chunk, part)
            for chunk in read_batch(data)
        ]

    def _point(
        self,
        tenant_id: str,
        source_id: str,
        bot_profile_id: str,
        prepared: Prepared,
        chunk: PreparedChunk,
        part: str,
    ) -> Point:
        return Point(
            id=chunk_id(part or source_id, prepared.revision, chunk.ordinal, prepared.generation),
            tenant_id=tenant_id,
            bot_profile_id=bot_profile_id,
            source_id=source_id,
            revision=prepared.revision,
            ordinal=chunk.ordinal,
            page=chunk.page,
            language=chunk.language or prepared.language,
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            heading=chunk.heading,
            dense=chunk.vector,
            sparse=self._terms.document_terms(chunk.indexed_text),
            generation=prepared.generation,
        )


async def _ahead(
    made: Callable[[str], Awaitable[list[Point]]], refs: Sequence[str]
) -> AsyncGenerator[list[Point], None]:
    """What is made of each, in order; the next is made while the one before is put in."""
    coming: asyncio.Future[list[Point]] | None = None
    try:
        for ref in refs:
            before, coming = coming, asyncio.ensure_future(made(ref))
            if before is not None:
                yield await before
        if coming is not None:
            yield await coming
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


KEY = ("tenant_id", "source_id", "generation")


def chunk_id(source_id: str, revision: int, ordinal: int, generation: int = 0) -> str:
    """The same chunk has the same id, however often it is indexed."""
    of_generation = [f"generation {generation}"] if generation else []
    return derived_id("chunk", source_id, str(revision), str(ordinal), *of_generation)


async def _collection(db: AsyncConnection, prepared: Prepared) -> str:
    """The vector index of these tables: a rebuild beside them has one of its own."""
    key = {"embedding_model": prepared.embedding_model, "dimension": prepared.dimension}
    found = await db.scalar(select(collections.c.name).filter_by(**key))
    if found is not None:
        return str(found)
    name = f"chunks-{new_id()}"
    await db.execute(insert(collections).values(**key, name=name))
    return name


async def _store(
    db: AsyncConnection,
    tenant_id: str,
    source_id: str,
    bot_profile_id: str,
    prepared: Prepared,
    **values: Any,
) -> None:
    row = {
        "tenant_id": tenant_id,
        "source_id": source_id,
        "generation": prepared.generation,
        "bot_profile_id": bot_profile_id,
        "revision": prepared.revision,
        "points": prepared.chunk_count,
        "embedding_model": prepared.embedding_model,
        "dimension": prepared.dimension,
        "language": prepared.language,
        "title": prepared.title,
        "url": prepared.url,
        "text_ref": prepared.text_ref,
        **values,
    }
    statement = upsert(indexed_sources).values(row)
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=list(KEY),
            set_={name: statement.excluded[name] for name in row if name not in KEY},
        )
    )


async def _indexed(db: AsyncConnection, tenant_id: str, source_id: str, **values: Any) -> None:
    """Change what is known of an indexed source, in every generation."""
    mine = (indexed_sources.c.tenant_id == tenant_id, indexed_sources.c.source_id == source_id)
    await db.execute(update(indexed_sources).where(*mine).values(**values))


async def _forgotten(db: AsyncConnection, tenant_id: str, source_id: str) -> bool:
    """Take out all rows of a source; False if it never was indexed."""
    mine = (indexed_sources.c.tenant_id == tenant_id, indexed_sources.c.source_id == source_id)
    gone = await db.execute(delete(indexed_sources).where(*mine))
    return gone.rowcount > 0
