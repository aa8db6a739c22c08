"""Questions about sources, answered from rows."""

from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, func, select

from services.ingest.tables import sources, timeline
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.ingest import (
    GetSource,
    GetTimeline,
    ListSources,
    SourceView,
    SourceViews,
    Timeline,
    TimelineEntry,
)
from shared.kernel.errors import NotFound


class SourceQueries:
    """Reads the model `ingest_sources` with a tenant's own eyes."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_source(self, question: GetSource, meta: Metadata) -> SourceView:
        """Inactive ones too. Raises `NotFound`."""
        found = await self._sources(
            meta.tenant_id, sources.c.id == question.source_id, aggregated=True
        )
        if not found:
            raise NotFound("Source not found")
        return found[0]

    async def list_sources(self, question: ListSources, meta: Metadata) -> SourceViews:
        wanted: list[ColumnElement[bool]] = [sources.c.is_active]
        if question.bot_profile_id is not None:
            wanted.append(sources.c.bot_profile_id == question.bot_profile_id)
        if question.parent_id is not None:
            wanted.append(sources.c.parent_id == question.parent_id)
        elif not question.flat:
            wanted.append(sources.c.parent_id.is_(None))
        found = await self._sources(meta.tenant_id, and_(*wanted), aggregated=not question.flat)
        return SourceViews(items=tuple(found))

    async def get_timeline(self, question: GetTimeline, meta: Metadata) -> Timeline:
        """Oldest first. Raises `NotFound` for a source that never was."""
        query = (
            select(timeline)
            .where(
                timeline.c.tenant_id == meta.tenant_id, timeline.c.source_id == question.source_id
            )
            .order_by(timeline.c.sequence)
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows = (await db.execute(query)).mappings().all()
        if not rows:
            raise NotFound("Source not found")
        return Timeline(items=tuple(TimelineEntry.model_validate(dict(row)) for row in rows))

    async def _sources(
        self, tenant_id: str, wanted: ColumnElement[bool], *, aggregated: bool
    ) -> list[SourceView]:
        """Newest first; a parent's status and chunks are those of its active children."""
        child = sources.alias("child")
        statuses = func.array_agg(child.c.status)
        of_children = (
            select(
                child.c.parent_id,
                func.count().label("children_count"),
                func.sum(child.c.chunk_count).label("children_chunks"),
                statuses.label("children_statuses"),
            )
            .where(child.c.tenant_id == tenant_id, child.c.is_active)
            .group_by(child.c.parent_id)
            .subquery()
        )
        query = (
            select(
                sources,
                of_children.c.children_count,
                of_children.c.children_chunks,
                of_children.c.children_statuses,
            )
            .outerjoin(of_children, of_children.c.parent_id == sources.c.id)
            .where(sources.c.tenant_id == tenant_id, wanted)
            .order_by(sources.c.created_at.desc(), sources.c.id)
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).mappings().all()
        return [_view(row, aggregated=aggregated) for row in rows]


def parent_status(own: str, children: list[str]) -> str:
    """A parent is as far as its children are; without any it is as far as itself."""
    if not children:
        return own
    for status in ("processing", "error"):
        if status in children:
            return status
    return "ready" if set(children) == {"ready"} else "pending"


def _view(row: RowMapping, *, aggregated: bool) -> SourceView:
    values: dict[str, Any] = dict(row)
    count = values.pop("children_count") or 0
    chunks = values.pop("children_chunks") or 0
    statuses = values.pop("children_statuses") or []
    if aggregated and count:
        values["status"] = parent_status(values["status"], statuses)
        values["chunk_count"] = chunks
    return SourceView.model_validate(values | {"children_count": count if aggregated else 0})
