"""What the log says about crawls, as the rows of their pages show it."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.main import SOURCES
from services.ingest.queries.pages import KeptPage, PageQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.ingest_website import (
    CrawlBegun,
    CrawlCancelled,
    CrawlCounts,
    CrawledPage,
    CrawlFinished,
    CrawlPagesFound,
    CrawlPagesRetired,
    CrawlPageVisited,
    CrawlPaused,
    CrawlResumed,
    CrawlSiteRead,
    FoundPage,
    GetCrawl,
    ListCrawledPages,
    VisitOutcome,
)
from tests.bank.messages import metadata
from tests.integration.replay import ProjectionContract, replay

ROOT = FoundPage(url="https://a.example/", depth=0, via="root")


def begun(run: str, source: str = "s1") -> CrawlBegun:
    return CrawlBegun(source_id=source, run_id=run)


def page(name: str, depth: int = 1, skip: str | None = None) -> FoundPage:
    return FoundPage(url=f"https://a.example/{name}", depth=depth, via="link", skip=skip)


def found(run: str, *pages: FoundPage, source: str = "s1") -> CrawlPagesFound:
    counts = CrawlCounts(found=len(pages))
    return CrawlPagesFound(source_id=source, run_id=run, pages=pages, counts=counts)


def visited(
    run: str,
    name: str,
    outcome: VisitOutcome = "imported",
    *,
    child: str | None = None,
    text: str | None = None,
) -> CrawlPageVisited:
    return CrawlPageVisited(
        source_id="s1",
        run_id=run,
        url=f"https://a.example/{name}",
        outcome=outcome,
        reason=None if outcome == "imported" else f"why {name}",
        child_id=child,
        content_hash=text,
        counts=CrawlCounts(visited=1),
    )


FIRST: Sequence[Event] = (
    begun("r1"),
    CrawlSiteRead(source_id="s1", run_id="r1", delay_seconds=1.0),
    found("r1", ROOT, page("a"), page("b"), page("c", skip="excluded")),
    visited("r1", "", child="c0", text="t0"),
    found("r1", page("d", 2), page("a", 2)),
    visited("r1", "a", child="c1", text="t1"),
    visited("r1", "b", "duplicate", text="t1"),
)
SECOND: Sequence[Event] = (
    CrawlPaused(source_id="s1", run_id="r1"),
    CrawlResumed(source_id="s1", run_id="r1"),
    visited("r1", "d", child="c4", text="t4"),
    CrawlFinished(source_id="s1", run_id="r1", counts=CrawlCounts(found=5, imported=3)),
    begun("r2"),
    CrawlSiteRead(source_id="s1", run_id="r2", delay_seconds=1.0),
    found("r2", ROOT, page("a"), page("b")),
    visited("r2", "", "unchanged", child="c0", text="t0"),
    visited("r2", "a", "failed"),
    begun("r3", "s2"),
    found("r3", ROOT, source="s2"),
    CrawlCancelled(source_id="s2", run_id="r3", counts=CrawlCounts(found=1)),
)
LAST: Sequence[Event] = (
    CrawlPagesRetired(
        source_id="s1",
        run_id="r2",
        urls=("https://a.example/a", "https://a.example/d"),
        counts=CrawlCounts(retired=2),
    ),
    CrawlFinished(source_id="s1", run_id="r2", failure="why", counts=CrawlCounts(retired=2)),
)


class TestPages(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("ingest")

    @pytest.fixture
    def model(self) -> ReadModel:
        return SOURCES

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (*FIRST, *SECOND, *LAST)

    @pytest.fixture
    def queries(self, store: ReadModelStore) -> PageQueries:
        return PageQueries(store)

    async def test_are_due_from_the_root_outwards(
        self,
        store: ReadModelStore,
        queries: PageQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        async def due(after: int) -> str | None:
            await replay(store, past[:after])
            one = await queries.next_due(tenant_id, "s1", "r1")
            return None if one is None else one.url.removeprefix("https://a.example")

        assert [await due(n) for n in range(2, 8)] == [None, "/", "/a", "/a", "/b", "/d"]

    async def test_are_known_once_per_crawl_and_by_what_they_hold(
        self,
        store: ReadModelStore,
        queries: PageQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past[: len(FIRST)])
        urls = [page(name).url for name in ("a", "c", "x")]
        assert await queries.known(tenant_id, "s1", "r1", urls) == set(urls[:2])
        assert await queries.known(tenant_id, "s1", "r2", urls) == set()
        assert await queries.same_content(tenant_id, "s1", "r1", "t1") == urls[0]
        assert await queries.same_content(tenant_id, "s1", "r1", "t9") is None
        stands = [
            await queries.stands(tenant_id, "s1", "r1", page(name).url)
            for name in ("a", "b", "c", "d", "x")
        ]
        assert stands == [True, True, False, True, True]

    async def test_that_were_sources_and_are_none_again_are_told(
        self,
        store: ReadModelStore,
        queries: PageQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past[: len(FIRST) + len(SECOND)])
        assert await queries.kept(tenant_id, "s1", "r2") == [
            KeptPage("https://a.example/a", "c1", seen=True, outcome="failed"),
            KeptPage("https://a.example/d", "c4", seen=False, outcome="imported"),
        ]
        assert await queries.why_root_failed(tenant_id, "s1", "r2") == "why "

    async def test_are_listed_with_what_became_of_them(
        self,
        store: ReadModelStore,
        queries: PageQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past)
        meta = metadata(tenant_id)
        question = ListCrawledPages(source_id="s1", limit=3, counted=True)
        first = await queries.list_pages(question, meta)
        rest = await queries.list_pages(
            question.model_copy(update={"after": first.following}), meta
        )
        assert (first.total, rest.following) == (5, None)
        assert await queries.kept(tenant_id, "s1", "r2") == []
        shown = {one.url.removeprefix("https://a.example/"): one for one in first.items}
        shown |= {one.url.removeprefix("https://a.example/"): one for one in rest.items}
        assert {name: (one.outcome, one.source_id) for name, one in shown.items()} == {
            "": ("unchanged", "c0"),
            "a": ("retired", None),
            "b": ("pending", None),
            "c": ("skipped", None),
            "d": ("retired", None),
        }
        assert isinstance(shown["a"], CrawledPage)
        assert shown["a"].visited_at == past[len(FIRST) + 8].at

    async def test_belong_to_a_crawl_that_tells_how_far_it_is(
        self,
        store: ReadModelStore,
        queries: PageQueries,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        async def phase(after: int) -> str | None:
            await replay(store, past[:after])
            told = await queries.get_crawl(GetCrawl(source_id="s1"), metadata(tenant_id))
            return told.phase

        assert await phase(0) is None
        first = len(FIRST)
        assert [await phase(n) for n in range(first, first + 6)] == [
            *("running", "paused", "running", "running", "finished", "running")
        ]
        assert (tenant_id, "s1", "r2") in await queries.running()
        assert await phase(len(past)) == "failed"
        assert tenant_id not in {tenant for tenant, *_ in await queries.running()}
        told = await queries.get_crawl(GetCrawl(source_id="s1"), metadata(tenant_id))
        assert (told.reason, told.counts.retired) == ("why", 2)
        other = await queries.get_crawl(GetCrawl(source_id="s2"), metadata(tenant_id))
        assert other.phase == "cancelled"
        theirs = await queries.get_crawl(GetCrawl(source_id="s1"), metadata(other_tenant_id))
        assert theirs.phase is None
