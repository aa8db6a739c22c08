"""What the import of a website would begin with. Nothing of it is stored."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.ingest.domain.website import Website, normalised, site_of
from services.ingest.ports import Fetched, FetchFailed, HostPace, PageFetcher, Pages, Unreadable
from services.ingest.reactions.site import PATIENCE, ReadSite, SiteClosed, SiteFound, Sleep
from shared.contracts.base import Metadata
from shared.contracts.ingest_website import FoundPage, Preview, PreviewWebsite
from shared.kernel.errors import InvalidCommand

SECONDS = 8.0
"""For all of it, as somebody waits for the answer."""
SHOWN = 500
SITEMAPS = 3


@dataclass(frozen=True)
class PreviewSite:
    """Reads robots.txt, some sitemaps and the root, at the pace of the site."""

    read_site: ReadSite
    fetcher: PageFetcher
    pages: Pages
    pace: HostPace
    sleep: Sleep

    async def __call__(self, question: PreviewWebsite, _meta: Metadata) -> Preview:
        """Raises `InvalidCommand` for a config that is none, or a site that is closed."""
        site = Website.of(question.config)
        root = FoundPage(url=site.root_url, depth=0, via="root")
        found = SiteFound(None, site.delay_seconds, [root])
        try:
            async with asyncio.timeout(SECONDS):
                found = await self.read_site(site, files=SITEMAPS)
                await self._root(site, found)
        except TimeoutError:
            found.notes.append("the site is too slow for a preview of everything")
        except SiteClosed as closed:
            raise InvalidCommand(str(closed), field="config.root_url") from closed
        return Preview(
            pages=_within(site, found.pages)[:SHOWN],
            delay_seconds=found.delay_seconds,
            sitemaps=tuple(found.sitemaps),
            notes=tuple(found.notes),
        )

    async def _root(self, site: Website, found: SiteFound) -> None:
        host = site_of(site.root_url)
        await self.sleep(await self.pace.reserve(host, found.delay_seconds, PATIENCE))
        try:
            answer = await self.fetcher.fetch(site.root_url)
            if not isinstance(answer, Fetched):
                return
            url = normalised(answer.url) or site.root_url
            if not site.holds(url):
                found.notes.append(f"the root leads to another site: {urlsplit(url).netloc}")
                return
            scan = await self.pages.scan(answer.data, answer.media_type, url)
        except (FetchFailed, Unreadable) as failure:
            found.notes.append(f"{site.root_url}: {failure.reason}")
            return
        have = {page.url for page in found.pages}
        links = site.found(scan.links, base=normalised(scan.base, url) or url, depth=1, via="link")
        new = [page for page in links if page.url not in have]
        found.pages += await self.read_site.checked(found.robots, new)


def _within(site: Website, pages: list[FoundPage]) -> tuple[FoundPage, ...]:
    """`pages`, those beyond the largest number marked so."""
    shown, taken = [], 0
    for page in pages:
        if page.skip is None:
            taken += 1
        if page.skip is None and taken > site.max_pages:
            reason = f"beyond the first {site.max_pages} pages"
            shown.append(page.model_copy(update={"skip": reason}))
        else:
            shown.append(page)
    return tuple(shown)
