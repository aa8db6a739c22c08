"""What becomes of one page of a website, told with a scripted site."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import pytest
from typing_extensions import override

from services.ingest.adapters.pages import read_robots, read_sitemap, scan_page
from services.ingest.domain.source import Present
from services.ingest.domain.website import Website
from services.ingest.ports import (
    Fetched,
    FetchFailed,
    HostPace,
    NotModified,
    PageFetcher,
    Pages,
    PageScan,
    Redirected,
    Robots,
    Sitemap,
    Unreadable,
)
from services.ingest.queries.pages import DuePage
from services.ingest.reactions.site import ReadSite, SiteClosed
from services.ingest.reactions.visit import Visit, VisitPage
from shared.contracts.ingest import ConfirmPage, ImportPage
from shared.contracts.ingest_website import RecordPage
from tests.unit.ingest.fakes import Aggregate, MemoryBlobs
from tests.unit.ingest.samples import CREATED, DELETED, fetched, prepared, ready, was_prepared
from tests.unit.samples import TENANT, metadata

ROOT = "https://docs.example/"
URL = f"{ROOT}page"
RECIPE = "1/model/1000/0"
HTML = "text/html"
Answer = Fetched | NotModified | Redirected | FetchFailed


def page(body: str = "<p>Text</p>", **fields: Any) -> Fetched:
    return Fetched(**{"url": URL, "data": body.encode(), "media_type": HTML, **fields})


@dataclass
class ScriptedSite(PageFetcher):
    """Answers by address, each list in turn and its last one again; the rest is not there."""

    answers: dict[str, list[Answer]]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    @override
    async def visit(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified | Redirected:
        self.asked.append((url, etag))
        answers = self.answers.get(url)
        if answers is None:
            raise FetchFailed("The server answered 404 Not Found", retryable=False)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, FetchFailed):
            raise answer
        return answer

    @override
    async def fetch(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified:
        found = await self.visit(url, etag=etag, last_modified=last_modified)
        assert not isinstance(found, Redirected)
        return found


class ReadHere(Pages):
    """Reads in this process."""

    @override
    async def robots(self, data: bytes, urls: Any) -> Robots:
        return read_robots(data, urls)

    @override
    async def sitemap(self, data: bytes, limit: int) -> Sitemap:
        return read_sitemap(data, limit)

    @override
    async def scan(self, data: bytes, media_type: str, url: str) -> PageScan:
        try:
            return scan_page(data, media_type, url)
        except ValueError as error:
            raise Unreadable(str(error)) from error


@dataclass
class Pace(HostPace):
    """Lets everybody wait, and remembers for how long."""

    waits: list[tuple[str, float]] = field(default_factory=list)
    holds: list[tuple[str, float]] = field(default_factory=list)

    @override
    async def reserve(self, site: str, delay: float, patience: float) -> float:
        self.waits.append((site, delay))
        return 0.0

    @override
    async def hold(self, site: str, seconds: float) -> None:
        self.holds.append((site, seconds))


async def no_sleep(_seconds: float) -> None:
    """Takes no time."""


@dataclass
class Rows:
    """What earlier visits of this crawl left."""

    texts: dict[str, str] = field(default_factory=dict)
    good: bool = True

    async def same_content(self, _tenant: str, _source: str, _run: str, digest: str) -> str | None:
        return self.texts.get(digest)

    async def stands(self, _tenant: str, _source: str, _run: str, _url: str) -> bool:
        return self.good


@dataclass
class Crawling:
    """One page to visit, and everything around it."""

    answers: list[Answer]
    child: Aggregate | None = None
    robots: bytes | None = None
    site: Website = field(default_factory=lambda: Website(ROOT, exclude=("/private/*",)))
    rows: Rows = field(default_factory=Rows)
    url: str = URL
    ordered: list[Any] = field(default_factory=list)
    paces: int = 0
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)

    async def visit(self) -> RecordPage:
        self.fetcher = ScriptedSite({self.url: self.answers})
        pages = ReadHere()

        async def execute(command: Any, *_: Any) -> Any:
            self.ordered.append(command)

        async def current(*_: Any) -> Any:
            assert self.child is not None
            return self.child.state

        async def is_current(_tenant: str, _source_id: str, source: Present) -> bool:
            return source.serving is not None and source.serving.recipe == RECIPE

        async def paced(_failure: FetchFailed) -> None:
            self.paces += 1

        visit_page = VisitPage(
            execute=execute,
            current=current,
            fetcher=self.fetcher,
            pages=pages,
            rows=self.rows,
            read_site=ReadSite(self.fetcher, pages, Pace(), no_sleep),
            blobs=self.blobs,  # type: ignore[arg-type]  # the two methods that are used
            is_current=is_current,
        )
        child_id = "s1" if self.child else None
        return await visit_page(
            Visit(
                source_id="site",
                source=Present(
                    bot_profile_id="b1",
                    parent_id=None,
                    source_type="website",
                    settings=CREATED.settings.model_copy(update={"authority": "mandatory"}),
                ),
                run_id="r9",
                site=self.site,
                robots=self.robots,
                page=DuePage(self.url, 1, "link", child_id),
                metadata=metadata("visit"),
            ),
            paced,
        )


def served(body: str = "<p>Text</p>") -> tuple[Aggregate, MemoryBlobs]:
    """A child that answers from a page it fetched before, and where that lies."""
    blobs = MemoryBlobs()
    ref = _digest(body)
    blobs.kept[TENANT, ref] = body.encode()
    past = [one if one.name != "fetched" else fetched(raw_ref=ref) for one in ready()]
    return Aggregate([CREATED, *past]), blobs


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


class TestANewPage:
    async def test_becomes_a_source_with_what_came(self) -> None:
        body = f'<title>T</title><p>Text</p><a href="/b"></a><a href="{URL}#x"></a>'
        crawling = Crawling([page(body, etag='"7"')])
        told = await crawling.visit()
        assert (told.outcome, told.reason) == ("imported", None)
        (order,) = crawling.ordered
        assert isinstance(order, ImportPage)
        assert (order.source_id, order.etag, order.size) == (told.child_id, '"7"', len(body))
        assert (order.settings.name, order.settings.authority) == ("T", "mandatory")
        assert order.settings.config == {"url": URL}
        assert [(one.url, one.depth) for one in told.found] == [(f"{ROOT}b", 2)]
        assert crawling.blobs.kept[TENANT, order.raw_ref] == body.encode()

    async def test_is_the_same_source_however_often_the_visit_is_repeated(self) -> None:
        first, second = Crawling([page()]), Crawling([page()])
        assert (await first.visit()) == (await second.visit())
        assert first.ordered == second.ordered

    async def test_has_links_that_robots_and_patterns_object_to(self) -> None:
        links = '<p>x</p><a href="/private/a"></a><a href="/closed"></a><a href="/open"></a>'
        told = await Crawling([page(links)], robots=b"User-agent: *\nDisallow: /closed").visit()
        assert {one.url.removeprefix(ROOT): one.skip for one in told.found} == {
            "private/a": "excluded",
            "closed": "robots.txt does not allow it",
            "open": None,
        }

    @pytest.mark.parametrize(
        ("answer", "outcome", "reason"),
        [
            (page(media_type="image/png"), "skipped", "it is no document (image/png)"),
            (page(""), "skipped", "there is no text on it"),
            (
                page('<meta name="robots" content="noindex"><p>x</p>'),
                "skipped",
                "not to be indexed",
            ),
            (page('<link rel="canonical" href="/b"><p>x</p>'), "duplicate", f"the same as {ROOT}b"),
            (Redirected(f"{ROOT}b"), "redirected", f"leads to {ROOT}b"),
            (Redirected("https://x.example/"), "redirected", "leads to another site"),
            (Redirected("mailto:x"), "redirected", "leads to another site"),
            (Redirected(f"{URL}#top"), "failed", "leads to itself"),
            (FetchFailed("gone", retryable=False), "failed", "gone"),
            (FetchFailed("away", retryable=True), "unreachable", "away"),
        ],
    )
    async def test_that_becomes_none_says_why(
        self, answer: Answer, outcome: str, reason: str
    ) -> None:
        crawling = Crawling([answer])
        told = await crawling.visit()
        assert told.outcome == outcome
        assert reason in (told.reason or "")
        assert (told.child_id, crawling.ordered) == (None, [])

    async def test_is_asked_for_again_if_it_may_help_at_the_pace_of_the_site(self) -> None:
        crawling = Crawling([FetchFailed("away", retryable=True), page()])
        assert (await crawling.visit()).outcome == "imported"
        assert (len(crawling.fetcher.asked), crawling.paces) == (2, 1)

    async def test_with_the_text_of_another_is_its_duplicate(self) -> None:
        digest = (await Crawling([page()]).visit()).content_hash or ""
        told = await Crawling([page()], rows=Rows({digest: f"{ROOT}first"})).visit()
        assert (told.outcome, told.reason) == ("duplicate", f"holds the same text as {ROOT}first")
        own = await Crawling([page()], rows=Rows({digest: URL})).visit()
        assert own.outcome == "imported"

    async def test_stands_for_itself_if_nothing_comes_of_the_one_it_names(self) -> None:
        named = page('<link rel="canonical" href="/b"><p>x</p>')
        assert (await Crawling([named], rows=Rows(good=False)).visit()).outcome == "imported"
        elsewhere = page('<link rel="canonical" href="https://x.example/"><p>x</p>')
        assert (await Crawling([elsewhere]).visit()).outcome == "imported"


class TestAPageThatIsASource:
    async def test_that_has_not_changed_costs_one_request_and_keeps_its_links(self) -> None:
        child, blobs = served('<p>Text</p><a href="/b"></a>')
        crawling = Crawling([NotModified()], child, blobs=blobs)
        told = await crawling.visit()
        assert (told.outcome, told.child_id) == ("unchanged", "s1")
        assert [one.url for one in told.found] == [f"{ROOT}b"]
        assert crawling.fetcher.asked == [(URL, '"1"')]
        assert crawling.ordered == [ConfirmPage(source_id="s1")]

    async def test_that_comes_as_it_was_is_not_ingested_again(self) -> None:
        child, blobs = served()
        crawling = Crawling([page()], child, blobs=blobs)
        assert (await crawling.visit()).outcome == "unchanged"
        assert crawling.ordered == [ConfirmPage(source_id="s1")]

    async def test_that_changed_keeps_its_source(self) -> None:
        child, blobs = served()
        crawling = Crawling([page("<p>New</p>")], child, blobs=blobs)
        assert (await crawling.visit()).child_id == "s1"
        (order,) = crawling.ordered
        assert (type(order), order.source_id) == (ImportPage, "s1")

    async def test_whose_source_was_deleted_gets_another_one(self) -> None:
        child, blobs = served()
        child.history.append(DELETED)
        told = await Crawling([page()], child, blobs=blobs).visit()
        assert told.outcome == "imported"
        assert told.child_id not in (None, "s1")

    async def test_is_fetched_whole_if_its_chunks_are_made_otherwise_by_now(self) -> None:
        child, blobs = served()
        crawling = Crawling([page()], child, blobs=blobs)
        old = was_prepared(prepared=prepared(recipe="old"))
        child.history[:] = [old if one.name == "prepared" else one for one in child.history]
        assert (await crawling.visit()).outcome == "imported"
        assert crawling.fetcher.asked == [(URL, None)]


class TestReadingASite:
    async def read(
        self, answers: dict[str, list[Answer]], **site: Any
    ) -> tuple[Any, ScriptedSite, Pace]:
        fetcher, pace = ScriptedSite(answers), Pace()
        found = await ReadSite(fetcher, ReadHere(), pace, no_sleep)(Website(ROOT, **site))
        return found, fetcher, pace

    async def test_without_robots_or_sitemap_there_is_the_root(self) -> None:
        found, fetcher, _ = await self.read({})
        assert [one.url for one in found.pages] == [ROOT]
        assert [url for url, _ in fetcher.asked] == [f"{ROOT}robots.txt", f"{ROOT}sitemap.xml"]
        assert (found.notes, found.incomplete) == ([], False)

    async def test_sitemaps_lead_to_sitemaps_and_each_is_read_once(self) -> None:
        index = "".join(f"<sitemap><loc>{ROOT}{name}</loc></sitemap>" for name in ("map2", "map1"))
        index = f"<sitemapindex>{index}</sitemapindex>"
        pages = "".join(
            f"<url><loc>{url}</loc></url>" for url in (f"{ROOT}a", "https://x.example/")
        )
        pages = f"<urlset>{pages}</urlset>"
        robots = f"User-agent: *\nCrawl-delay: 9\nDisallow: /a\nSitemap: {ROOT}map1"
        found, fetcher, pace = await self.read(
            {
                f"{ROOT}robots.txt": [page(robots)],
                f"{ROOT}map1": [page(index)],
                f"{ROOT}map2": [page(pages)],
            }
        )
        assert found.sitemaps == [f"{ROOT}map1", f"{ROOT}map2"]
        assert [(one.url, one.skip) for one in found.pages] == [
            (ROOT, None),
            (f"{ROOT}a", "robots.txt does not allow it"),
        ]
        assert found.delay_seconds == 9.0
        assert pace.waits == [("docs.example", 1.0), ("docs.example", 9.0), ("docs.example", 9.0)]
        assert len(fetcher.asked) == 3

    async def test_a_sitemap_that_is_away_leaves_it_incomplete(self) -> None:
        away = FetchFailed("away", retryable=True)
        found, *_ = await self.read({f"{ROOT}sitemap.xml": [away]})
        assert found.incomplete
        assert found.notes == [f"{ROOT}sitemap.xml: away"]

    async def test_a_site_that_names_its_time_is_left_alone_so_long(self) -> None:
        busy = FetchFailed("busy", retryable=True, retry_after=7.0)
        longer = FetchFailed("busy", retryable=True, retry_after=86400.0)
        answers: dict[str, list[Answer]] = {
            f"{ROOT}robots.txt": [busy, page("User-agent: *")],
            f"{ROOT}sitemap.xml": [longer, page("<urlset></urlset>")],
        }
        _, _, pace = await self.read(answers)
        assert pace.holds == [("docs.example", 7.0), ("docs.example", 120.0)]

    async def test_rules_that_cannot_be_read_close_it_unless_they_are_not_asked_for(self) -> None:
        answers: dict[str, list[Answer]] = {
            f"{ROOT}robots.txt": [FetchFailed("away", retryable=True)]
        }
        with pytest.raises(SiteClosed, match=r"robots\.txt cannot be read: away"):
            await self.read(answers)
        found, *_ = await self.read(answers, respect_robots=False)
        assert found.robots is None

    async def test_a_crawl_delay_without_measure_is_bounded(self) -> None:
        robots = page("User-agent: *\nCrawl-delay: 86400")
        found, *_ = await self.read({f"{ROOT}robots.txt": [robots]})
        assert found.delay_seconds == 120.0
