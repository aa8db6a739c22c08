"""What a site says of itself before any page is read: robots.txt and its sitemaps."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from services.ingest.domain.website import Website, site_of
from services.ingest.ports import (
    Fetched,
    FetchFailed,
    HostPace,
    PageFetcher,
    Pages,
    Robots,
    Unreadable,
)
from shared.contracts.ingest_website import FoundPage
from shared.kernel.errors import Unavailable

ATTEMPTS = 2
"""A site that does not answer is asked so often."""
SITEMAP_FILES = 50
SITEMAP_URLS = 5000
CRAWL_DELAY_LIMIT = 120.0
"""Seconds. A site that wants to be asked more rarely than that is asked so rarely only."""
PATIENCE = 3600.0
ROBOTS_RULE = "robots.txt does not allow it"

Sleep = Callable[[float], Awaitable[None]]


class SiteClosed(Exception):
    """Nothing of the site may be fetched; the message is for people."""


async def hold(pace: HostPace, address: str, failure: FetchFailed) -> None:
    """Let nobody ask the site of `address` before it wants to be asked again, within bounds."""
    if failure.retry_after:
        await pace.hold(site_of(address), min(failure.retry_after, CRAWL_DELAY_LIMIT))


@dataclass
class SiteFound:
    """What was read."""

    robots: bytes | None
    """As it was sent; none: there is none, or it is not to be respected."""
    delay_seconds: float
    pages: list[FoundPage]
    sitemaps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: bool = False


@dataclass(frozen=True)
class ReadSite:
    """Reads robots.txt and sitemaps, at the pace of the site."""

    fetcher: PageFetcher
    pages: Pages
    pace: HostPace
    sleep: Sleep

    async def __call__(self, site: Website, *, files: int = SITEMAP_FILES) -> SiteFound:
        """At most `files` sitemaps. Raises `SiteClosed`, or `Unavailable` to be tried again."""
        data = await self._robots(site) if site.respect_robots else None
        rules = await self.pages.robots(data or b"", [site.root_url])
        asked = min(rules.delay_seconds or 0.0, CRAWL_DELAY_LIMIT)
        root = FoundPage(url=site.root_url, depth=0, via="root")
        found = SiteFound(data, max(site.delay_seconds, asked), [root])
        if not rules.allowed[0]:
            raise SiteClosed(f"The root may not be fetched: {ROBOTS_RULE}")
        await self._sitemaps(site, rules, found, files)
        found.pages[1:] = await self.checked(data, found.pages[1:])
        return found

    async def checked(self, robots: bytes | None, found: Sequence[FoundPage]) -> list[FoundPage]:
        """`found`, with what robots.txt says against it."""
        if robots is None or not found:
            return list(found)
        rules = await self.pages.robots(robots, [page.url for page in found])
        return [
            page
            if allowed or page.skip is not None
            else page.model_copy(update={"skip": ROBOTS_RULE})
            for page, allowed in zip(found, rules.allowed, strict=True)
        ]

    async def _robots(self, site: Website) -> bytes | None:
        parts = urlsplit(site.root_url)
        address = f"{parts.scheme}://{parts.netloc}/robots.txt"
        try:
            return (await self._get(address, site.delay_seconds)).data
        except FetchFailed as failure:
            if failure.retryable:
                # A site whose rules cannot be read is closed (RFC 9309, 2.3.1.4).
                raise SiteClosed(f"robots.txt cannot be read: {failure.reason}") from failure
            return None

    async def _sitemaps(self, site: Website, rules: Robots, found: SiteFound, files: int) -> None:
        named = [site.sitemap_url] if site.sitemap_url else list(rules.sitemaps)
        waiting = named or [urljoin(site.root_url, "/sitemap.xml")]
        pages: dict[str, FoundPage] = {site.root_url: found.pages[0]}
        while waiting and len(found.sitemaps) < files and len(pages) < SITEMAP_URLS:
            address = waiting.pop(0)
            if address in found.sitemaps:
                continue
            found.sitemaps.append(address)
            try:
                data = (await self._get(address, found.delay_seconds)).data
                sitemap = await self.pages.sitemap(data, SITEMAP_URLS)
            except FetchFailed as failure:
                if named or failure.retryable:
                    found.notes.append(f"{address}: {failure.reason}")
                found.incomplete = found.incomplete or failure.retryable
                continue
            except Unreadable as failure:
                found.notes.append(f"{address}: {failure.reason}")
                continue
            waiting += sitemap.nested
            for page in site.found(sitemap.pages, base=address, depth=1, via="sitemap"):
                pages.setdefault(page.url, page)
        if waiting:
            found.notes.append("not every sitemap was read")
        found.pages = list(pages.values())[:SITEMAP_URLS]

    async def _get(self, address: str, delay: float) -> Fetched:
        """Raise `FetchFailed`."""
        for attempt in range(1, ATTEMPTS + 1):
            await self.sleep(await self.pace.reserve(site_of(address), delay, PATIENCE))
            try:
                answer = await self.fetcher.fetch(address)
            except FetchFailed as failure:
                if not failure.retryable or attempt == ATTEMPTS:
                    raise
                await hold(self.pace, address, failure)
                continue
            if isinstance(answer, Fetched):
                return answer
            raise FetchFailed("The server says that nothing changed", retryable=False)
        raise Unavailable("a site cannot be asked")
