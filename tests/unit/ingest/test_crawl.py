"""What may happen to the crawl of a website: each page once, each crawl ended once."""

from typing import Any

import pytest

from services.ingest.domain.crawl import AT_ONCE, FOUND_LIMIT, Crawl, crawl_decider
from shared.contracts.base import Metadata
from shared.contracts.ingest_website import (
    BeginCrawl,
    CancelCrawl,
    CrawlBegun,
    CrawlCancelled,
    CrawlCommand,
    CrawlCounts,
    CrawlEvent,
    CrawlFinished,
    CrawlPagesFound,
    CrawlPagesRetired,
    CrawlPageVisited,
    CrawlPaused,
    CrawlResumed,
    CrawlSiteRead,
    FinishCrawl,
    FoundPage,
    PauseCrawl,
    RecordPage,
    RecordSite,
    ResumeCrawl,
)
from shared.kernel.errors import Conflict
from shared.kernel.testing import Scenario

CrawlScenario = Scenario[Crawl, CrawlCommand, CrawlEvent]
BEGUN = CrawlBegun(source_id="s1", run_id="r1")
PAUSED = CrawlPaused(source_id="s1", run_id="r1")
RESUMED = CrawlResumed(source_id="s1", run_id="r1")
CANCELLED = CrawlCancelled(source_id="s1", run_id="r1", counts=CrawlCounts())
FINISHED = CrawlFinished(source_id="s1", run_id="r1", counts=CrawlCounts())
READ = CrawlSiteRead(source_id="s1", run_id="r1", robots_ref="robots", delay_seconds=1.0)


@pytest.fixture
def crawl(metadata: Metadata) -> CrawlScenario:
    return Scenario(crawl_decider, metadata)


def pages(count: int, first: int = 0, **fields: Any) -> tuple[FoundPage, ...]:
    return tuple(
        FoundPage(url=f"https://a.example/{n}", depth=1, via="link", **fields)
        for n in range(first, first + count)
    )


def record_site(*found: FoundPage, run: str = "r1", incomplete: bool = False) -> RecordSite:
    return RecordSite(
        source_id="s1",
        run_id=run,
        robots_ref="robots",
        delay_seconds=1.0,
        pages=found,
        incomplete=incomplete,
    )


def record_page(*found: FoundPage, run: str = "r1", **fields: Any) -> RecordPage:
    return RecordPage(
        **{
            "source_id": "s1",
            "run_id": run,
            "url": "https://a.example/0",
            "outcome": "imported",
            "found": found,
            **fields,
        }
    )


def visited(counts: CrawlCounts, **fields: Any) -> CrawlPageVisited:
    shape = record_page(**fields).model_dump(exclude={"found"})
    return CrawlPageVisited(**shape, counts=counts)


def finish(**fields: Any) -> FinishCrawl:
    return FinishCrawl(**{"source_id": "s1", "run_id": "r1", **fields})


class TestBeginning:
    def test_a_run_begins_one_crawl(self, crawl: CrawlScenario) -> None:
        order = BeginCrawl(source_id="s1", run_id="r1")
        crawl.given().when(order).then(BEGUN)
        crawl.given(BEGUN).when(order).then_nothing()
        crawl.given(BEGUN, FINISHED).when(order).then_nothing()

    def test_another_run_begins_anew(self, crawl: CrawlScenario) -> None:
        order = BeginCrawl(source_id="s1", run_id="r2")
        crawl.given(BEGUN, READ).when(order).then(CrawlBegun(source_id="s1", run_id="r2"))
        again = CrawlBegun(source_id="s1", run_id="r2")
        crawl.given(BEGUN, READ, again).then_state(Crawl(run_id="r2", phase="running"))


class TestTheSite:
    def test_is_recorded_with_its_pages_in_parts(self, crawl: CrawlScenario) -> None:
        found = pages(AT_ONCE + 1)
        crawl.given(BEGUN).when(record_site(*found)).then(
            READ,
            CrawlPagesFound(
                source_id="s1", run_id="r1", pages=found[:-1], counts=CrawlCounts(found=AT_ONCE)
            ),
            CrawlPagesFound(
                source_id="s1",
                run_id="r1",
                pages=found[-1:],
                counts=CrawlCounts(found=AT_ONCE + 1),
            ),
        )

    def test_is_recorded_once_and_for_its_own_run(self, crawl: CrawlScenario) -> None:
        crawl.given(BEGUN, READ).when(record_site()).then_nothing()
        crawl.given(BEGUN).when(record_site(run="r0")).then_nothing()
        crawl.given(BEGUN, CANCELLED).when(record_site()).then_nothing()


class TestAPage:
    def test_is_counted_by_what_it_comes_to(self, crawl: CrawlScenario) -> None:
        skipped, new = pages(1, 1, skip="excluded"), pages(1, 2)
        after = CrawlCounts(visited=1, imported=1)
        found = CrawlCounts(visited=1, imported=1, found=2, skipped=1)
        crawl.given(BEGUN, READ).when(record_page(*skipped, *new, child_id="c1")).then(
            visited(after, child_id="c1"),
            CrawlPagesFound(source_id="s1", run_id="r1", pages=skipped + new, counts=found),
        )

    def test_that_was_being_fetched_when_it_was_paused_is_recorded(
        self, crawl: CrawlScenario
    ) -> None:
        crawl.given(BEGUN, READ, PAUSED).when(record_page()).then(
            visited(CrawlCounts(visited=1, imported=1))
        )

    def test_of_another_or_an_ended_run_comes_too_late(self, crawl: CrawlScenario) -> None:
        crawl.given(BEGUN, READ).when(record_page(run="r0")).then_nothing()
        crawl.given(BEGUN, READ, FINISHED).when(record_page()).then_nothing()

    def test_a_site_without_end_is_cut(self, crawl: CrawlScenario) -> None:
        full = CrawlCounts(found=FOUND_LIMIT - 1)
        last = CrawlPagesFound(source_id="s1", run_id="r1", pages=(), counts=full)
        counts = full.model_copy(update={"visited": 1, "imported": 1})
        crawl.given(BEGUN, READ, last).when(record_page(*pages(5))).then(
            visited(counts),
            CrawlPagesFound(
                source_id="s1",
                run_id="r1",
                pages=pages(1),
                counts=counts.model_copy(update={"found": FOUND_LIMIT}),
            ),
        )

    def test_that_cannot_be_reached_leaves_the_crawl_incomplete(self, crawl: CrawlScenario) -> None:
        counts = CrawlCounts(visited=1, unreachable=1)
        event = visited(counts, outcome="unreachable")
        crawl.given(BEGUN, event).then_state(
            Crawl(run_id="r1", phase="running", counts=counts, incomplete=True)
        )


class TestPausing:
    def test_rests_and_goes_on(self, crawl: CrawlScenario) -> None:
        pause, resume = PauseCrawl(source_id="s1"), ResumeCrawl(source_id="s1")
        crawl.given(BEGUN).when(pause).then(PAUSED)
        crawl.given(BEGUN, PAUSED).when(pause).then_nothing()
        crawl.given(BEGUN, PAUSED).when(resume).then(RESUMED)
        crawl.given(BEGUN, PAUSED, RESUMED).when(resume).then_nothing()

    @pytest.mark.parametrize("order", [PauseCrawl, ResumeCrawl, CancelCrawl])
    def test_needs_a_crawl_on_its_way(self, crawl: CrawlScenario, order: Any) -> None:
        crawl.given().when(order(source_id="s1")).then_refused(Conflict)
        for end in (FINISHED, CANCELLED):
            crawl.given(BEGUN, end).when(order(source_id="s1")).then_refused(Conflict)


class TestEnding:
    @pytest.mark.parametrize("past", [[BEGUN], [BEGUN, PAUSED]])
    def test_a_crawl_is_cancelled_from_work_and_from_rest(
        self, crawl: CrawlScenario, past: list[CrawlEvent]
    ) -> None:
        crawl.given(*past).when(CancelCrawl(source_id="s1")).then(CANCELLED)

    def test_a_crawl_is_finished_once(self, crawl: CrawlScenario) -> None:
        crawl.given(BEGUN).when(finish()).then(FINISHED)
        for end in (FINISHED, CANCELLED):
            crawl.given(BEGUN, end).when(finish()).then_nothing()
        crawl.given(BEGUN).when(finish(run_id="r0")).then_nothing()

    def test_pages_that_are_gone_are_told_in_parts(self, crawl: CrawlScenario) -> None:
        urls = tuple(page.url for page in pages(AT_ONCE + 1))
        crawl.given(BEGUN).when(finish(retired=urls)).then(
            CrawlPagesRetired(
                source_id="s1", run_id="r1", urls=urls[:-1], counts=CrawlCounts(retired=AT_ONCE)
            ),
            CrawlPagesRetired(
                source_id="s1",
                run_id="r1",
                urls=urls[-1:],
                counts=CrawlCounts(retired=AT_ONCE + 1),
            ),
            CrawlFinished(source_id="s1", run_id="r1", counts=CrawlCounts(retired=AT_ONCE + 1)),
        )

    def test_a_failure_is_told_with_its_reason(self, crawl: CrawlScenario) -> None:
        crawl.given(BEGUN).when(finish(failure="closed")).then(
            FINISHED.model_copy(update={"failure": "closed"})
        )
