"""Questions about crawls and the pages that they found, answered from rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, func, or_, select

from services.ingest.tables import crawls, pages
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.ingest_website import (
    CrawledPage,
    CrawledPages,
    CrawlView,
    GetCrawl,
    ListCrawledPages,
)

OTHER_BYTES = 300
"""Of a page as JSON: everything but its address and reason."""


@dataclass(frozen=True, slots=True)
class DuePage:
    """A page that waits to be visited."""

    url: str
    depth: int
    via: str
    child_id: str | None


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page that is a source, and that this crawl did not find to be one again."""

    url: str
    child_id: str
    seen: bool
    """It was found in this crawl."""
    outcome: str


class PageQueries:
    """Reads the model `ingest_sources`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_crawl(self, question: GetCrawl, meta: Metadata) -> CrawlView:
        """Without a phase for what was never crawled."""
        query = select(crawls).where(
            crawls.c.tenant_id == meta.tenant_id, crawls.c.source_id == question.source_id
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            return CrawlView(source_id=question.source_id)
        return CrawlView.model_validate(dict(row))

    async def running(self) -> Sequence[tuple[str, str, str]]:
        """Tenant, source and run of every crawl that is on its way, of all tenants."""
        query = select(crawls.c.tenant_id, crawls.c.source_id, crawls.c.run_id).where(
            crawls.c.phase == "running"
        )
        async with self._store.engine.connect() as db:
            return [(row.tenant_id, row.source_id, row.run_id) for row in await db.execute(query)]

    async def list_pages(self, question: ListCrawledPages, meta: Metadata) -> CrawledPages:
        query = select(pages, pages.c.url.label("id")).where(
            pages.c.tenant_id == meta.tenant_id, pages.c.source_id == question.source_id
        )
        page = page_of(
            query,
            (pages.c.position, pages.c.url),
            after=question.after,
            limit=question.limit,
            newest_first=False,
            size=func.octet_length(pages.c.url)
            + func.coalesce(func.octet_length(pages.c.reason), 0)
            + OTHER_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        views = [CrawledPage.model_validate(_shown(row)) for row in rows]
        items, following = cut(rows, views)
        return CrawledPages(items=items, following=following, total=total)

    async def next_due(self, tenant_id: str, source_id: str, run_id: str) -> DuePage | None:
        """The page to visit next: the nearest to the root, in the order of finding."""
        query = (
            select(pages.c.url, pages.c.depth, pages.c.via, pages.c.child_id)
            .where(
                pages.c.tenant_id == tenant_id,
                pages.c.source_id == source_id,
                pages.c.outcome == "pending",
                pages.c.run_id == run_id,
            )
            .order_by(pages.c.depth, pages.c.position, pages.c.place)
            .limit(1)
        )
        async with self._store.reading(tenant_id) as db:
            row = (await db.execute(query)).one_or_none()
        return None if row is None else DuePage(row.url, row.depth, row.via, row.child_id)

    async def known(
        self, tenant_id: str, source_id: str, run_id: str, urls: Sequence[str]
    ) -> set[str]:
        """Which of `urls` this crawl has found already."""
        query = select(pages.c.url).where(
            pages.c.tenant_id == tenant_id,
            pages.c.source_id == source_id,
            pages.c.run_id == run_id,
            pages.c.url.in_(urls),
        )
        async with self._store.reading(tenant_id) as db:
            return set((await db.scalars(query)).all())

    async def same_content(
        self, tenant_id: str, source_id: str, run_id: str, content_hash: str
    ) -> str | None:
        """The page with this content that this crawl imported before."""
        query = (
            select(pages.c.url)
            .where(
                pages.c.tenant_id == tenant_id,
                pages.c.source_id == source_id,
                pages.c.run_id == run_id,
                pages.c.content_hash == content_hash,
                pages.c.outcome.in_(("imported", "unchanged")),
            )
            .limit(1)
        )
        async with self._store.reading(tenant_id) as db:
            found: str | None = await db.scalar(query)
            return found

    async def stands(self, tenant_id: str, source_id: str, run_id: str, url: str) -> bool:
        """Whether what other pages name as the right one may still be, or is, imported.

        A page that holds the same text as another one will do; one that names another one will
        not, as two may name each other.
        """
        query = select(pages.c.outcome, pages.c.content_hash).where(
            pages.c.tenant_id == tenant_id,
            pages.c.source_id == source_id,
            pages.c.run_id == run_id,
            pages.c.url == url,
        )
        async with self._store.reading(tenant_id) as db:
            row = (await db.execute(query)).one_or_none()
        if row is None or row.outcome in ("pending", "imported", "unchanged"):
            return True
        return row.outcome == "duplicate" and row.content_hash is not None

    async def kept(self, tenant_id: str, source_id: str, run_id: str) -> Sequence[KeptPage]:
        """Pages with a source that this crawl did not import or find unchanged."""
        query = (
            select(pages.c.url, pages.c.child_id, pages.c.run_id, pages.c.outcome)
            .where(
                pages.c.tenant_id == tenant_id,
                pages.c.source_id == source_id,
                pages.c.child_id.is_not(None),
                pages.c.outcome != "retired",  # whose owner may have brought it back
                or_(
                    pages.c.run_id != run_id,
                    pages.c.outcome.not_in(("imported", "unchanged")),
                ),
            )
            .order_by(pages.c.url)
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        return [KeptPage(row.url, row.child_id, row.run_id == run_id, row.outcome) for row in rows]

    async def why_root_failed(self, tenant_id: str, source_id: str, run_id: str) -> str | None:
        """What became of the root, in words, if it was not imported."""
        query = select(pages.c.reason).where(
            pages.c.tenant_id == tenant_id,
            pages.c.source_id == source_id,
            pages.c.run_id == run_id,
            pages.c.via == "root",
        )
        async with self._store.reading(tenant_id) as db:
            reason: str | None = await db.scalar(query)
            return reason


def _shown(row: RowMapping) -> dict[str, Any]:
    """A page that is retired has no source any more, whatever it was."""
    return {**row, "source_id": None if row["outcome"] == "retired" else row["child_id"]}
