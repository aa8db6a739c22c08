"""Facts about sources → points in the vector engine, and the rows that say which may answer."""

import asyncio
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.ports import Point, Scope, Terms, VectorIndexes
from services.chat.tables import collections, indexed_sources
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import PreparedChunk, read_batch
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import IndexBuilt
from shared.contracts.ingest import Prepared, SourceDeleted, SourcePrepared, SourceUpdated
from shared.kernel import faults
from shared.kernel.faults import FaultPoint
from shared.kernel.ids import derived_id, new_id


class Index:
    """The retrieval index: points in the vector engine, and the rows that say which may answer.

    New points are flushed before the rows name their revision, and old ones are taken out when
    that is told (`IndexBuilt`): at every moment exactly one whole revision of a source answers.
    """

    def __init__(self, indexes: VectorIndexes, blobs: Blobs, terms: Terms) -> None:
        self._indexes = indexes
        self._blobs = blobs
        self._terms = terms

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case SourcePrepared() as event:
                await self._index(db, recorded, event)
            case SourceUpdated(source_id=source_id, settings=settings):
                await _indexed(
                    db,
                    recorded.tenant_id,
                    source_id,
                    name=settings.name,
                    authority=settings.authority,
                    is_active=settings.is_active,
                )
            case SourceDeleted(source_id=source_id):
                if await _indexed(db, recorded.tenant_id, source_id, is_active=False):
                    await self._clean(db, recorded.tenant_id, source_id)
            case IndexBuilt(source_id=source_id, revision=revision):
                await self._clean(db, recorded.tenant_id, source_id, below_revision=revision)
            case _:
                pass

    async def _clean(
        self,
        db: AsyncConnection,
        tenant_id: str,
        source_id: str,
        below_revision: int | None = None,
    ) -> None:
        rows = await db.execute(select(collections.c.name, collections.c.dimension))
        for name, dimension in rows.all():
            index = await self._indexes.open(name, dimension)
            scope = Scope(tenant_id, source_id=source_id)
            await index.delete(scope, below_revision=below_revision)
            faults.passed(FaultPoint.INDEX_DELETED)
            await index.flush()

    async def _index(
        self, db: AsyncConnection, recorded: Recorded[Event], event: SourcePrepared
    ) -> None:
        prepared = event.prepared
        index = await self._indexes.open(await self._collection(db, prepared), prepared.dimension)
        for batch in prepared.batches:
            data = await self._blobs.get(recorded.tenant_id, batch.ref)
            await index.upsert(
                await asyncio.to_thread(self._points, recorded.tenant_id, event, data)
            )
        faults.passed(FaultPoint.INDEX_UPSERTED)
        await index.flush()
        faults.passed(FaultPoint.INDEX_FLUSHED)
        row = {
            "tenant_id": recorded.tenant_id,
            "source_id": event.source_id,
            "bot_profile_id": event.bot_profile_id,
            "revision": prepared.revision,
            "points": prepared.chunk_count,
            "embedding_model": prepared.embedding_model,
            "language": prepared.language,
            "name": event.source_name,
            "title": prepared.title,
            "url": prepared.url,
            "text_ref": prepared.text_ref,
            "authority": event.authority,
            "is_active": event.is_active,
        }
        statement = upsert(indexed_sources).values(row)
        await db.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "source_id"],
                set_={name: statement.excluded[name] for name in row if name not in KEY},
            )
        )

    async def _collection(self, db: AsyncConnection, prepared: Prepared) -> str:
        """The vector index of these tables: a rebuild beside them has one of its own."""
        model = prepared.embedding_model
        query = select(collections.c.name).where(collections.c.embedding_model == model)
        found = await db.scalar(query)
        if found is not None:
            return str(found)
        name = f"chunks-{new_id()}"
        row = {"embedding_model": model, "name": name, "dimension": prepared.dimension}
        await db.execute(insert(collections).values(row))
        return name

    def _points(self, tenant_id: str, event: SourcePrepared, data: bytes) -> list[Point]:
        return [self._point(tenant_id, event, chunk) for chunk in read_batch(data)]

    def _point(self, tenant_id: str, event: SourcePrepared, chunk: PreparedChunk) -> Point:
        revision = event.prepared.revision
        return Point(
            id=chunk_id(event.source_id, revision, chunk.ordinal),
            tenant_id=tenant_id,
            bot_profile_id=event.bot_profile_id,
            source_id=event.source_id,
            revision=revision,
            ordinal=chunk.ordinal,
            page=chunk.page,
            language=chunk.language or event.prepared.language,
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            heading=chunk.heading,
            dense=chunk.vector,
            sparse=self._terms.document_terms(chunk.indexed_text),
        )


KEY = ("tenant_id", "source_id")


def chunk_id(source_id: str, revision: int, ordinal: int) -> str:
    """The same chunk has the same id, however often it is indexed."""
    return derived_id("chunk", source_id, str(revision), str(ordinal))


async def _indexed(db: AsyncConnection, tenant_id: str, source_id: str, **values: Any) -> bool:
    """Change what is known of an indexed source; False if it never was indexed."""
    mine = (indexed_sources.c.tenant_id == tenant_id, indexed_sources.c.source_id == source_id)
    changed = await db.execute(update(indexed_sources).where(*mine).values(**values))
    return changed.rowcount > 0
