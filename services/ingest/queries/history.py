"""Questions about what a source was and is: its timeline, revisions, documents and chunks."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import RowMapping, Select, Text, cast, extract, func, or_, select

from services.ingest.tables import revisions, sources, timeline
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import PreparedChunk, read_batch
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.ingest import Prepared, TimelineEntry
from shared.contracts.ingest_history import (
    Chunks,
    ChunkView,
    Difference,
    Documents,
    DocumentView,
    GetChunks,
    GetDifference,
    GetDocuments,
    GetRevisions,
    Revisions,
    RevisionView,
)
from shared.kernel.errors import NotFound
from shared.kernel.ids import derived_id

OTHER_BYTES = 900
"""Of a revision or document as JSON: everything but its free texts."""
FAILED = "source.failed"

Differ = Callable[[str, str], Awaitable[tuple[list[str], int, int, bool]]]
"""Lines of a unified diff, how many lines were added and removed, and whether it was shortened."""


def timed(tenant_id: str, source_id: str) -> Select[Any]:
    """The timeline of a source, each fact with its attempt and with the time since the last."""
    run, place = timeline.c.run_id, timeline.c.sequence
    since = timeline.c.at - func.lag(timeline.c.at).over(partition_by=run, order_by=place)
    attempt = func.max(timeline.c.attempt).over(partition_by=run, order_by=place)
    return select(
        timeline.c.source_id,
        timeline.c.sequence,
        timeline.c.at,
        timeline.c.event,
        timeline.c.detail,
        timeline.c.run_id,
        timeline.c.done,
        timeline.c.total,
        func.coalesce(timeline.c.seconds, extract("epoch", since)).label("seconds"),
        attempt.label("attempt"),
    ).where(timeline.c.tenant_id == tenant_id, timeline.c.source_id == source_id)


def entry(row: RowMapping) -> TimelineEntry:
    """A fact that belongs to no run has neither attempt nor duration."""
    found: dict[str, Any] = dict(row)
    if found["run_id"] is None:
        found |= {"seconds": None, "attempt": None}
    reason = found["detail"] if found["event"] == FAILED else None
    return TimelineEntry.model_validate({**found, "reason": reason})


class HistoryQueries:
    """Reads the model `ingest_sources`, and chunks and texts from the blobs."""

    def __init__(self, store: ReadModelStore, blobs: Blobs, differ: Differ) -> None:
        self._store = store
        self._blobs = blobs
        self._differ = differ

    async def get_revisions(self, question: GetRevisions, meta: Metadata) -> Revisions:
        """Raise `NotFound` for a source that never was."""
        answering = await self._answering(meta.tenant_id, question.source_id)
        query = select(revisions, revisions.c.source_id.label("id")).where(
            revisions.c.tenant_id == meta.tenant_id, revisions.c.source_id == question.source_id
        )
        page = page_of(
            query,
            (revisions.c.revision, revisions.c.source_id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(cast(revisions.c.prepared, Text)) + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        views = [
            RevisionView.model_validate(
                {**row["prepared"], **row, "answers": row["revision"] == answering}
            )
            for row in rows
        ]
        items, following = cut(rows, views)
        return Revisions(items=items, following=following, total=total)

    async def get_documents(self, question: GetDocuments, meta: Metadata) -> Documents:
        """Raise `NotFound` for a source that never was."""
        await self._answering(meta.tenant_id, question.source_id)
        query = (
            select(revisions, sources.c.position, sources.c.id)
            .join(
                sources,
                (sources.c.tenant_id == revisions.c.tenant_id)
                & (sources.c.id == revisions.c.source_id)
                & (sources.c.revision == revisions.c.revision),
            )
            .where(
                revisions.c.tenant_id == meta.tenant_id,
                or_(sources.c.id == question.source_id, sources.c.parent_id == question.source_id),
                ~sources.c.deleted,
            )
        )
        page = page_of(
            query,
            (sources.c.position, sources.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=False,
            size=func.octet_length(cast(revisions.c.prepared, Text)) + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [_document(row) for row in rows])
        return Documents(items=items, following=following, total=total)

    async def get_chunks(self, question: GetChunks, meta: Metadata) -> Chunks:
        """Raise `NotFound` for a source or revision that never was."""
        revision = question.revision
        if revision is None:
            revision = await self._answering(meta.tenant_id, question.source_id)
            if revision == 0:
                return Chunks(items=(), total=0 if question.counted else None)
        prepared = await self._prepared(meta.tenant_id, question.source_id, revision)
        begin = 0 if question.after is None else question.after[0] + 1
        total = prepared.chunk_count
        wanted = range(begin, min(begin + question.limit, total))
        views = await self._chunks(meta.tenant_id, question.source_id, prepared, wanted)
        rows: list[Any] = [
            {"page_position": view.ordinal, "id": view.id, "page_found": total - begin}
            for view in views
        ]
        items, following = cut(rows, views)
        return Chunks(items=items, following=following, total=total if question.counted else None)

    async def get_difference(self, question: GetDifference, meta: Metadata) -> Difference:
        """Raise `NotFound` for a revision that never was."""
        tenant_id, source_id = meta.tenant_id, question.source_id
        before = await self._text(tenant_id, source_id, question.before)
        after = await self._text(tenant_id, source_id, question.after)
        lines, added, removed, shortened = await self._differ(before, after)
        return Difference(
            source_id=source_id,
            before=question.before,
            after=question.after,
            added=added,
            removed=removed,
            lines=tuple(lines),
            shortened=shortened,
        )

    async def _chunks(
        self, tenant_id: str, source_id: str, prepared: Prepared, wanted: range
    ) -> list[ChunkView]:
        views: list[ChunkView] = []
        first = 0
        for batch in prepared.batches:
            if first < wanted.stop and wanted.start < first + batch.count:
                chunks = read_batch(await self._blobs.get(tenant_id, batch.ref))
                views += [
                    _chunk(source_id, prepared, chunk)
                    for chunk in chunks
                    if chunk.ordinal in wanted
                ]
            first += batch.count
        return views

    async def _text(self, tenant_id: str, source_id: str, revision: int) -> str:
        prepared = await self._prepared(tenant_id, source_id, revision)
        return (await self._blobs.get(tenant_id, prepared.text_ref)).decode()

    async def _answering(self, tenant_id: str, source_id: str) -> int:
        query = select(sources.c.revision).where(
            sources.c.tenant_id == tenant_id, sources.c.id == source_id
        )
        async with self._store.reading(tenant_id) as db:
            found = await db.scalar(query)
        if found is None:
            raise NotFound("Source not found")
        return int(found)

    async def _prepared(self, tenant_id: str, source_id: str, revision: int) -> Prepared:
        query = select(revisions.c.prepared).where(
            revisions.c.tenant_id == tenant_id,
            revisions.c.source_id == source_id,
            revisions.c.revision == revision,
        )
        async with self._store.reading(tenant_id) as db:
            found: Mapping[str, Any] | None = await db.scalar(query)
        if found is None:
            raise NotFound("Revision not found")
        return Prepared.model_validate(found)


def _document(row: RowMapping) -> DocumentView:
    ident = derived_id("document", row["source_id"], str(row["revision"]))
    return DocumentView.model_validate({**row["prepared"], **row, "id": ident})


def _chunk(source_id: str, prepared: Prepared, chunk: PreparedChunk) -> ChunkView:
    of_generation = [f"generation {prepared.generation}"] if prepared.generation else []
    place = (str(prepared.revision), str(chunk.ordinal), *of_generation)
    return ChunkView(
        id=derived_id("chunk", source_id, *place),
        ordinal=chunk.ordinal,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        heading=chunk.heading,
        page=chunk.page,
        language=chunk.language or prepared.language,
    )
