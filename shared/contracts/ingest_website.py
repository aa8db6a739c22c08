"""Messages of ingest about websites: what a crawl found, page by page."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Page, PagedQuestion, Question

Via = Literal["root", "sitemap", "link", "redirect", "canonical"]
CrawlPhase = Literal["running", "paused", "finished", "cancelled", "failed"]
VisitOutcome = Literal[
    "imported", "unchanged", "duplicate", "redirected", "skipped", "failed", "unreachable"
]
"""`failed` is what the site says for good, `unreachable` what may be otherwise next time."""
PageOutcome = Literal["pending", "retired"] | VisitOutcome


class FoundPage(Message):
    """An address of the site, and why it is not visited, if it is not."""

    url: str
    depth: int
    """Links between it and the root; pages of a sitemap count as one away."""
    via: Via
    skip: str | None = None


class CrawlCounts(Message):
    """Pages of one crawl so far."""

    found: int = 0
    visited: int = 0
    imported: int = 0
    unchanged: int = 0
    duplicate: int = 0
    redirected: int = 0
    skipped: int = 0
    failed: int = 0
    unreachable: int = 0
    retired: int = 0


class CrawlMessage(Keyed):
    """About the crawl of a website; it has the id of the source."""

    aggregate: ClassVar[str] = "crawl"
    source_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.source_id


class BeginCrawl(CrawlMessage, Command):
    verb: ClassVar[str] = "begin"
    run_id: str


class RecordSite(CrawlMessage, Command):
    """What robots.txt and sitemaps said."""

    verb: ClassVar[str] = "record_site"
    run_id: str
    robots_ref: str | None
    delay_seconds: float
    pages: tuple[FoundPage, ...]
    incomplete: bool = False


class RecordPage(CrawlMessage, Command):
    verb: ClassVar[str] = "record_page"
    run_id: str
    url: str
    outcome: VisitOutcome
    reason: str | None = None
    child_id: str | None = None
    content_hash: str | None = None
    found: tuple[FoundPage, ...] = ()


class PauseCrawl(CrawlMessage, Command):
    verb: ClassVar[str] = "pause"


class ResumeCrawl(CrawlMessage, Command):
    verb: ClassVar[str] = "resume"


class CancelCrawl(CrawlMessage, Command):
    """End it with what was imported so far."""

    verb: ClassVar[str] = "cancel"


class FinishCrawl(CrawlMessage, Command):
    verb: ClassVar[str] = "finish"
    run_id: str
    failure: str | None = None
    """Why nothing came of it; none: it is complete."""
    retired: tuple[str, ...] = ()
    """Pages that are no longer part of the site."""


class CrawlBegun(CrawlMessage, Event):
    name: ClassVar[str] = "begun"
    run_id: str


class CrawlSiteRead(CrawlMessage, Event):
    name: ClassVar[str] = "site_read"
    run_id: str
    robots_ref: str | None = None
    """The blob with robots.txt; none: there is none, or it is not to be respected."""
    delay_seconds: float
    """Between two requests to the site."""
    incomplete: bool = False
    """A sitemap could not be read: pages that are missing now may be there all the same."""


class CrawlPagesFound(CrawlMessage, Event):
    name: ClassVar[str] = "pages_found"
    run_id: str
    pages: tuple[FoundPage, ...]
    counts: CrawlCounts


class CrawlPageVisited(CrawlMessage, Event):
    name: ClassVar[str] = "page_visited"
    run_id: str
    url: str
    outcome: VisitOutcome
    reason: str | None = None
    child_id: str | None = None
    """The source that the page became."""
    content_hash: str | None = None
    counts: CrawlCounts


class CrawlPaused(CrawlMessage, Event):
    name: ClassVar[str] = "paused"
    run_id: str


class CrawlResumed(CrawlMessage, Event):
    name: ClassVar[str] = "resumed"
    run_id: str


class CrawlCancelled(CrawlMessage, Event):
    name: ClassVar[str] = "cancelled"
    run_id: str
    counts: CrawlCounts


class CrawlPagesRetired(CrawlMessage, Event):
    """These are no longer part of the site; their sources are deleted."""

    name: ClassVar[str] = "pages_retired"
    run_id: str
    urls: tuple[str, ...]
    counts: CrawlCounts


class CrawlFinished(CrawlMessage, Event):
    name: ClassVar[str] = "finished"
    run_id: str
    failure: str | None = None
    counts: CrawlCounts


CrawlCommand = (
    BeginCrawl | RecordSite | RecordPage | PauseCrawl | ResumeCrawl | CancelCrawl | FinishCrawl
)
CrawlEvent = (
    CrawlBegun
    | CrawlSiteRead
    | CrawlPagesFound
    | CrawlPageVisited
    | CrawlPaused
    | CrawlResumed
    | CrawlCancelled
    | CrawlPagesRetired
    | CrawlFinished
)


class CrawlView(Message):
    """How far the import of a website is."""

    source_id: str
    phase: CrawlPhase | None = None
    """None: it was never imported."""
    reason: str | None = None
    counts: CrawlCounts = CrawlCounts()
    begun_at: datetime | None = None
    updated_at: datetime | None = None


class GetCrawl(Question[CrawlView]):
    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_crawl"
    source_id: str


class CrawledPage(Message):
    url: str
    outcome: PageOutcome
    reason: str | None
    depth: int
    via: Via
    source_id: str | None
    """The child that answers for it."""
    visited_at: datetime | None


class CrawledPages(Page):
    items: tuple[CrawledPage, ...]


class ListCrawledPages(PagedQuestion[CrawledPages]):
    """Every page that the last crawl of a website found, in the order in which it did."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "list_crawled_pages"
    source_id: str


class Preview(Message):
    """What a crawl would begin with."""

    pages: tuple[FoundPage, ...]
    delay_seconds: float
    sitemaps: tuple[str, ...]
    notes: tuple[str, ...]
    """What could not be read, and why."""


class PreviewWebsite(Question[Preview]):
    """Look at robots.txt, the sitemaps and the links of the root. Nothing is stored."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "preview_website"
    config: dict[str, object] = Field(default_factory=dict)
