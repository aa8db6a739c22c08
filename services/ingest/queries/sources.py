"""Questions about sources, answered from rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    bindparam,
    cast,
    func,
    select,
    true,
)

from services.ingest.queries import history
from services.ingest.tables import sources
from shared.adapters.pages import AFTER, LIMIT, NUMBER, as_dicts, bounds, counted, cut, page_of
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.ingest import (
    BotSources,
    ChildrenCount,
    CountChildren,
    CountSources,
    GetSource,
    GetTimeline,
    ListSources,
    SourceStatus,
    SourceTotals,
    SourceView,
    SourceViews,
    Timeline,
)
from shared.kernel.errors import NotFound

OTHER_BYTES = 700
"""Of a source as JSON: everything but its free texts."""
BOTS_COUNTED = 1000
TOTAL = "page_total"
KEY = (sources.c.position, sources.c.id)


@dataclass(frozen=True, slots=True)
class Children:
    """What a parent shows of its active children."""

    count: int
    chunks: int
    processing: int
    failed: int
    ready: int

    def status(self, own: SourceStatus, *, website: bool = False) -> SourceStatus:
        """A parent is as far as its children are; without any it is as far as itself.

        A website is still being processed, or in error, while its crawl is; and it answers from
        its good pages whatever became of the others.
        """
        if not self.count or (website and own in ("processing", "error")):
            return own
        if website and self.ready and not self.processing:
            return "ready"
        if self.processing:
            return "processing"
        if self.failed:
            return "error"
        return "ready" if self.ready == self.count else "pending"


class SourceQueries:
    """Reads the model `ingest_sources` with a tenant's own eyes."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_source(self, question: GetSource, meta: Metadata) -> SourceView:
        """Inactive ones too. Raises `NotFound`."""
        values = {"of_tenant": meta.tenant_id, "of_source": question.source_id}
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(_one(), values)).mappings().one_or_none()
        if row is None:
            raise NotFound("Source not found")
        return _view(row, aggregated=True)

    async def list_sources(self, question: ListSources, meta: Metadata) -> SourceViews:
        page, number = _listing(
            with_total=question.counted,
            of_bot=question.bot_profile_id is not None,
            of_parent=question.parent_id is not None,
            flat=question.flat,
            oldest_first=question.oldest_first,
            goes_on=question.after is not None,
        )
        values = {
            "of_tenant": meta.tenant_id,
            "of_bot": question.bot_profile_id,
            "of_parent": question.parent_id,
        }
        async with self._store.reading(meta.tenant_id) as db:
            found = await db.execute(page, {**values, **bounds(question.after, question.limit)})
            rows = as_dicts(found)
            total = rows[0][TOTAL] if rows and question.counted else None
            if question.counted and not rows:
                total = await db.scalar(number, values)
        views = [_view(row, aggregated=not question.flat) for row in rows]
        items, following = cut(rows, views)
        return SourceViews(items=items, following=following, total=total)

    async def count_children(self, question: CountChildren, meta: Metadata) -> ChildrenCount:
        """Raise `NotFound` if there is no such parent."""
        await self.get_source(GetSource(source_id=question.source_id), meta)
        query = select(func.count()).where(
            *_children(meta.tenant_id, question.source_id), sources.c.status != "processing"
        )
        async with self._store.reading(meta.tenant_id) as db:
            return ChildrenCount(idle=await db.scalar(query) or 0)

    async def count_sources(self, _question: CountSources, meta: Metadata) -> SourceTotals:
        """All sources, and those of the bots that have the most."""
        own = sources.c.tenant_id == meta.tenant_id
        number, ready = func.count(), sources.c.status == "ready"
        by_status = select(sources.c.status, number).where(own).group_by(sources.c.status)
        by_bot = (
            select(
                sources.c.bot_profile_id,
                number.label("sources"),
                number.filter(ready).label("ready"),
                func.coalesce(func.sum(sources.c.chunk_count).filter(sources.c.is_active), 0).label(
                    "chunks"
                ),
            )
            .where(own)
            .group_by(sources.c.bot_profile_id)
            .order_by(number.desc(), sources.c.bot_profile_id)
            .limit(BOTS_COUNTED)
        )
        async with self._store.reading(meta.tenant_id) as db:
            statuses = (await db.execute(by_status)).all()
            bots = (await db.execute(by_bot)).mappings().all()
        return SourceTotals(
            by_status={row[0]: row[1] for row in statuses},
            by_bot=tuple(BotSources.model_validate(dict(row)) for row in bots),
        )

    async def children_of(self, tenant_id: str, parent_id: str) -> Sequence[str]:
        """Ids of the active children, oldest first."""
        query = (
            select(sources.c.id)
            .where(*_children(tenant_id, parent_id))
            .order_by(sources.c.position)
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()

    async def standing(self, tenant_id: str, parent_id: str) -> Sequence[str]:
        """Ids of the children that are not deleted, switched off or not, oldest first."""
        query = (
            select(sources.c.id)
            .where(
                sources.c.tenant_id == tenant_id,
                sources.c.parent_id == parent_id,
                sources.c.deleted.is_(False),
            )
            .order_by(sources.c.position)
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()

    async def deleted_with(self, tenant_id: str, parent_id: str) -> Sequence[str]:
        """Ids of the children that were deleted with their parent, oldest first."""
        query = (
            select(sources.c.id)
            .where(
                sources.c.tenant_id == tenant_id,
                sources.c.parent_id == parent_id,
                sources.c.deleted,
                sources.c.deleted_with_parent,
            )
            .order_by(sources.c.position)
        )
        async with self._store.reading(tenant_id) as db:
            return (await db.scalars(query)).all()

    async def get_timeline(self, question: GetTimeline, meta: Metadata) -> Timeline:
        """Oldest first. Raises `NotFound` for a source that never was."""
        told = history.timed(meta.tenant_id, question.source_id).subquery("told")
        page = page_of(
            select(told, told.c.source_id.label("id")),
            (told.c.sequence, told.c.source_id),
            after=question.after,
            limit=question.limit,
            newest_first=False,
            size=2 * func.octet_length(told.c.detail) + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows = (await db.execute(page)).mappings().all()
        if not rows and question.after is None:
            raise NotFound("Source not found")
        views = [history.entry(row) for row in rows]
        items, following = cut(rows, views)
        return Timeline(items=items, following=following)


@cache
def _one() -> Select[Any]:
    mine = sources.c
    return _with_children(
        select(sources).where(
            mine.tenant_id == bindparam("of_tenant", type_=Text),
            mine.id == bindparam("of_source", type_=Text),
        )
    )


@cache
def _listing(
    *,
    with_total: bool,
    of_bot: bool,
    of_parent: bool,
    flat: bool,
    oldest_first: bool,
    goes_on: bool,
) -> tuple[Select[Any], Select[int]]:
    """A page of active sources, and how many there are, which each row tells `with_total`;
    the values come with every run.
    """
    query = select(sources).where(
        sources.c.tenant_id == bindparam("of_tenant", type_=Text), sources.c.is_active
    )
    if of_bot:
        query = query.where(sources.c.bot_profile_id == bindparam("of_bot", type_=Text))
    if of_parent:
        query = query.where(sources.c.parent_id == bindparam("of_parent", type_=Text))
    elif not flat:
        query = query.where(sources.c.parent_id.is_(None))
    page = page_of(
        query,
        KEY,
        after=AFTER if goes_on else None,
        limit=LIMIT,
        newest_first=not oldest_first,
        size=_weight(),
    )
    rows, number = _with_children(page), counted(query)
    return rows.add_columns(number.scalar_subquery().label(TOTAL)) if with_total else rows, number


def _children(tenant_id: str, parent_id: str) -> list[ColumnElement[bool]]:
    return [
        sources.c.tenant_id == tenant_id,
        sources.c.parent_id == parent_id,
        sources.c.is_active,
    ]


def _weight() -> ColumnElement[int]:
    return (
        func.octet_length(sources.c.name)
        + func.octet_length(sources.c.description)
        + func.octet_length(cast(sources.c.config, Text))
        + func.coalesce(func.octet_length(sources.c.error_message), 0)
        + OTHER_BYTES
    )


def _with_children(query: Select[Any]) -> Select[Any]:
    """The rows of `query`, each with what its active children come to."""
    found = query.subquery("found")
    child = sources.alias("child")

    def how_many(status: SourceStatus) -> ColumnElement[int]:
        return func.count().filter(child.c.status == status)

    below = (
        select(
            func.count().label("children_count"),
            func.coalesce(func.sum(child.c.chunk_count), 0).label("children_chunks"),
            how_many("processing").label("children_processing"),
            how_many("error").label("children_failed"),
            how_many("ready").label("children_ready"),
        )
        .where(
            child.c.tenant_id == found.c.tenant_id,
            child.c.parent_id == found.c.id,
            child.c.is_active,
        )
        .lateral("below")
    )
    order = [found.c[NUMBER]] if NUMBER in found.c else []
    return select(found, below).join(below, true()).order_by(*order)


def _view(row: Mapping[str, Any], *, aggregated: bool) -> SourceView:
    children = Children(
        count=row["children_count"],
        chunks=row["children_chunks"],
        processing=row["children_processing"],
        failed=row["children_failed"],
        ready=row["children_ready"],
    )
    shown: dict[str, Any] = {"children_count": 0}
    if aggregated and children.count:
        shown = {
            "children_count": children.count,
            "status": children.status(row["status"], website=row["source_type"] == "website"),
            "chunk_count": children.chunks,
        }
    token = {"has_api_token": True} if row["has_token"] else {}
    return SourceView.model_validate({**row, **shown, "config": {**row["config"], **token}})
