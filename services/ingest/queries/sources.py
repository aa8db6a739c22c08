"""Questions about sources, answered from rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    select,
    true,
)

from services.ingest.queries import history
from services.ingest.tables import sources
from shared.adapters.pages import (
    AFTER,
    BYTES,
    FOUND,
    LIMIT,
    NUMBER,
    POSITION,
    bounds,
    counted,
    cut,
    page_of,
)
from shared.adapters.raw import RawQuery, json_of, weight
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Metadata, Recorded
from shared.contracts.ingest import (
    BotSources,
    ChildrenCount,
    CountChildren,
    CountSources,
    GetSource,
    GetTimeline,
    ListSources,
    SourceCreated,
    SourceStatus,
    SourceTotals,
    SourceView,
    Timeline,
)
from shared.kernel.errors import NotFound

OTHER_BYTES = 700
"""Of a source as JSON: everything but its free texts."""
BOTS_COUNTED = 1000
TOTAL = "page_total"
KEY = (sources.c.position, sources.c.id)
NAMES = tuple(SourceView.model_fields)
OF_PAGES = (POSITION, NUMBER, FOUND, BYTES)
TOKEN = {"has_api_token": True}
"""In a config whose token lies in the vault."""
BELOW = (
    "children_count",
    "children_chunks",
    "children_processing",
    "children_failed",
    "children_ready",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What kind of page, whatever the values are: each kind is one statement."""

    with_total: bool
    of_bot: bool
    of_parent: bool
    flat: bool
    oldest_first: bool
    goes_on: bool


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
        self._pages: dict[Wanted, RawQuery] = {}

    async def get_source(self, question: GetSource, meta: Metadata) -> SourceView:
        """Inactive ones too. Raises `NotFound`."""
        values = {"of_tenant": meta.tenant_id, "of_source": question.source_id}
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(_one(), values)).mappings().one_or_none()
        if row is None:
            raise NotFound("Source not found")
        return _view(row)

    async def list_sources(self, question: ListSources, meta: Metadata) -> bytes:
        """`SourceViews`, as JSON: pages are asked for all the time."""
        wanted = Wanted(
            with_total=question.counted,
            of_bot=question.bot_profile_id is not None,
            of_parent=question.parent_id is not None,
            flat=question.flat,
            oldest_first=question.oldest_first,
            goes_on=question.after is not None,
        )
        if wanted not in self._pages:
            self._pages[wanted] = RawQuery(self._store.engine, _page(wanted))
        values = {
            "of_tenant": meta.tenant_id,
            "of_bot": question.bot_profile_id,
            "of_parent": question.parent_id,
        }
        async with self._store.reading(meta.tenant_id) as db:
            limits = bounds(question.after, question.limit)
            rows = await self._pages[wanted].rows(db, {**values, **limits})
            total = rows[0][TOTAL] if rows and question.counted else None
            if question.counted and not rows:
                total = await db.scalar(_number(wanted), values)
        items, following = cut(rows, [_item(row) for row in rows], weight)
        return json_of(items, following, total)

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


class AsMade:
    """What `GetSource` answers about a source that was just made, told by its event."""

    def __init__(self, first_row: Callable[[Recorded[Event]], Mapping[str, Any]]) -> None:
        """`first_row` is the row that the projection writes for a new source."""
        self._first_row = first_row
        self._nothing = {**dict.fromkeys(sources.columns.keys()), **dict.fromkeys(BELOW, 0)}

    def __call__(self, records: Sequence[Recorded[Event]]) -> Mapping[str, Any] | None:
        """None if the events of a decision do not make one source."""
        if len(records) != 1 or not isinstance(records[0].event, SourceCreated):
            return None
        row = {**self._nothing, **self._first_row(records[0])}
        return _view(row).model_dump(mode="json")


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
def _page(wanted: Wanted) -> Select[Any]:
    """A page of active sources, `NAMES` first; the values come with every run."""
    page = page_of(
        _listing(wanted),
        KEY,
        after=AFTER if wanted.goes_on else None,
        limit=LIMIT,
        newest_first=not wanted.oldest_first,
        size=_weight(),
    )
    found = page.subquery("found")
    behind = [found.c[name] for name in (*OF_PAGES, "has_token")]
    if wanted.with_total:
        behind.append(_number(wanted).scalar_subquery().label(TOTAL))
    if wanted.flat:
        alone = literal(0).label("children_count")
        shown = [alone if name == alone.name else found.c[name] for name in NAMES]
        return select(*shown, *behind).order_by(found.c[NUMBER])
    below = _below(found)
    shown = [below.c[name] if name in below.c else found.c[name] for name in NAMES]
    sums = [column for column in below.c if column.name not in NAMES]
    rows = select(*shown, *behind, *sums).join_from(found, below, true())
    return rows.order_by(found.c[NUMBER])


@cache
def _number(wanted: Wanted) -> Select[int]:
    """How many sources there are on all pages."""
    return counted(_listing(wanted))


def _listing(wanted: Wanted) -> Select[Any]:
    query = select(sources).where(
        sources.c.tenant_id == bindparam("of_tenant", type_=Text), sources.c.is_active
    )
    if wanted.of_bot:
        query = query.where(sources.c.bot_profile_id == bindparam("of_bot", type_=Text))
    if wanted.of_parent:
        return query.where(sources.c.parent_id == bindparam("of_parent", type_=Text))
    return query if wanted.flat else query.where(sources.c.parent_id.is_(None))


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
    below = _below(found)
    return select(found, below).join(below, true())


def _below(found: FromClause) -> FromClause:
    """What the active children of each row of `found` come to."""
    child = sources.alias("child")

    def how_many(status: SourceStatus) -> ColumnElement[int]:
        return func.count().filter(child.c.status == status)

    return (
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


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    """What `SourceView` is written as."""
    item = dict(zip(NAMES, row.values(), strict=False))
    if row["has_token"]:
        item["config"] = {**item["config"], **TOKEN}
    if item["children_count"]:
        item |= _as_parent(row)
    return item


def _as_parent(row: Mapping[str, Any]) -> dict[str, Any]:
    children = Children(
        count=row["children_count"],
        chunks=row["children_chunks"],
        processing=row["children_processing"],
        failed=row["children_failed"],
        ready=row["children_ready"],
    )
    return {
        "status": children.status(row["status"], website=row["source_type"] == "website"),
        "chunk_count": children.chunks,
    }


def _view(row: Mapping[str, Any]) -> SourceView:
    token = TOKEN if row["has_token"] else {}
    shown = _as_parent(row) if row["children_count"] else {}
    return SourceView.model_validate({**row, **shown, "config": {**row["config"], **token}})
