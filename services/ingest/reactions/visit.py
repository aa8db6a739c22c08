"""What becomes of one page of a website: asked for once, with one outcome and its reason."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from services.ingest.domain.source import Present
from services.ingest.domain.website import Website, normalised
from services.ingest.ports import (
    Fetched,
    FetchFailed,
    NotModified,
    PageFetcher,
    Pages,
    PageScan,
    Redirected,
    Unreadable,
)
from services.ingest.reactions.site import ATTEMPTS, ReadSite
from shared.adapters.blobs import Blobs
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.ingest import ConfirmPage, ImportPage, SourceSettings
from shared.contracts.ingest_website import FoundPage, RecordPage, VisitOutcome
from shared.kernel.ids import derived_id

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
IsCurrent = Callable[[str, str, Present], Awaitable[bool]]
Paced = Callable[[FetchFailed], Awaitable[None]]
"""Waits until the site may be asked again after what it answered."""


class DuePage(Protocol):
    """A page that waits to be visited."""

    @property
    def url(self) -> str: ...
    @property
    def depth(self) -> int: ...
    @property
    def child_id(self) -> str | None: ...


class PageRows(Protocol):
    """What earlier visits left."""

    async def same_content(
        self, tenant_id: str, source_id: str, run_id: str, content_hash: str
    ) -> str | None: ...

    async def stands(self, tenant_id: str, source_id: str, run_id: str, url: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Visit:
    """One page of one crawl."""

    source_id: str
    source: Present
    run_id: str
    site: Website
    robots: bytes | None
    page: DuePage
    metadata: Metadata
    """The cause of what follows; its id follows from run and page, so that a visit that is
    repeated repeats no effect."""

    def ends(
        self,
        outcome: VisitOutcome,
        reason: str | None = None,
        *,
        found: list[FoundPage] | None = None,
        child_id: str | None = None,
        content_hash: str | None = None,
    ) -> RecordPage:
        return RecordPage(
            source_id=self.source_id,
            run_id=self.run_id,
            url=self.page.url,
            outcome=outcome,
            reason=reason,
            child_id=child_id,
            content_hash=content_hash,
            found=tuple(found or ()),
        )


@dataclass(frozen=True)
class VisitPage:
    """Fetches a page, looks what it says, and makes or refreshes its source."""

    execute: Execute
    current: Current
    fetcher: PageFetcher
    pages: Pages
    rows: PageRows
    read_site: ReadSite
    blobs: Blobs
    is_current: IsCurrent
    """As `IngestSource.is_current`: chunks that would come out otherwise are made anew."""

    async def __call__(self, visit: Visit, paced: Paced) -> RecordPage:
        """What the page comes to. Raises `Unavailable` if that cannot be told now."""
        child = await self._child(visit)
        try:
            answer = await self._ask(visit, child, paced)
        except FetchFailed as failure:
            return visit.ends("unreachable" if failure.retryable else "failed", failure.reason)
        match answer:
            case Redirected(url=target):
                return await self._redirected(visit, target)
            case NotModified():
                return await self._confirmed(visit, child)
            case Fetched():
                return await self._fetched(visit, child, answer)

    async def _child(self, visit: Visit) -> Present | None:
        """The source of the page, if it has one that is not deleted."""
        if visit.page.child_id is None:
            return None
        tenant_id = visit.metadata.tenant_id
        child = await self.current("source", tenant_id, visit.page.child_id)
        return child if isinstance(child, Present) and not child.deleted else None

    async def _ask(
        self, visit: Visit, child: Present | None, paced: Paced
    ) -> Fetched | NotModified | Redirected:
        before = child.fetched if child and await self._serves(visit, child) else None
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._once(visit, before)
            except FetchFailed as failure:
                if not failure.retryable:
                    raise
                await paced(failure)
        return await self._once(visit, before)

    async def _once(self, visit: Visit, before: Any) -> Fetched | NotModified | Redirected:
        return await self.fetcher.visit(
            visit.page.url,
            etag=before.etag if before else None,
            last_modified=before.last_modified if before else None,
        )

    async def _serves(self, visit: Visit, child: Present) -> bool:
        """Whether what the child answers from is what a fetch would lead to again."""
        if child.run is not None or child.serving is None or child.fetched is None:
            return False
        child_id = visit.page.child_id or ""
        return await self.is_current(visit.metadata.tenant_id, child_id, child)

    async def _redirected(self, visit: Visit, target: str) -> RecordPage:
        url = normalised(target)
        if url is None or not visit.site.holds(url):
            return visit.ends("redirected", f"leads to another site: {target[:200]}")
        if url == visit.page.url:
            return visit.ends("failed", "leads to itself")
        found = await self._found(visit, [url], visit.page.url, visit.page.depth, "redirect")
        return visit.ends("redirected", f"leads to {url}", found=found)

    async def _confirmed(self, visit: Visit, child: Present | None) -> RecordPage:
        """Its links are read from what was fetched last time."""
        found: list[FoundPage] = []
        content_hash = None
        if child is not None and child.fetched is not None:
            data = await self.blobs.get(visit.metadata.tenant_id, child.fetched.raw_ref)
            try:
                scan = await self.pages.scan(data, child.fetched.media_type, visit.page.url)
            except Unreadable:
                pass
            else:
                found, content_hash = await self._links(visit, scan), scan.content_hash
        child_id = visit.page.child_id or ""
        await self.execute(ConfirmPage(source_id=child_id), visit.metadata, "confirm")
        return visit.ends(
            "unchanged", found=found, child_id=child_id or None, content_hash=content_hash
        )

    async def _fetched(self, visit: Visit, child: Present | None, answer: Fetched) -> RecordPage:
        try:
            scan = await self.pages.scan(answer.data, answer.media_type, visit.page.url)
        except Unreadable as failure:
            return visit.ends("skipped", failure.reason)
        found = await self._links(visit, scan)
        if not scan.indexable:
            return visit.ends("skipped", "the page asks not to be indexed", found=found)
        canonical = normalised(scan.canonical, scan.base) if scan.canonical else None
        if canonical and await self._stands_for(visit, canonical):
            found += await self._found(visit, [canonical], scan.base, visit.page.depth, "canonical")
            return visit.ends("duplicate", f"the same as {canonical}", found=found)
        if scan.content_hash is None:
            return visit.ends("skipped", "there is no text on it", found=found)
        objection = visit.site.objection(visit.page.url, visit.page.depth)
        if objection is not None:
            return visit.ends("skipped", objection, found=found)
        tenant_id = visit.metadata.tenant_id
        same = await self.rows.same_content(
            tenant_id, visit.source_id, visit.run_id, scan.content_hash
        )
        if same is not None and same != visit.page.url:
            reason = f"holds the same text as {same}"
            return visit.ends("duplicate", reason, found=found, content_hash=scan.content_hash)
        raw_ref = await self.blobs.put(tenant_id, answer.data)
        kept: dict[str, Any] = {"found": found, "content_hash": scan.content_hash}
        same_bytes = child and child.fetched and child.fetched.raw_ref == raw_ref
        if child and same_bytes and await self._serves(visit, child):
            await self.execute(
                ConfirmPage(source_id=visit.page.child_id or ""), visit.metadata, "confirm"
            )
            return visit.ends("unchanged", child_id=visit.page.child_id, **kept)
        child_id = await self._import(visit, child, answer, scan, raw_ref)
        return visit.ends("imported", child_id=child_id, **kept)

    async def _stands_for(self, visit: Visit, canonical: str) -> bool:
        """Whether a page is left to the one that it names; not if nothing came of that."""
        if canonical == visit.page.url or not visit.site.holds(canonical):
            return False
        return await self.rows.stands(
            visit.metadata.tenant_id, visit.source_id, visit.run_id, canonical
        )

    async def _import(
        self, visit: Visit, child: Present | None, answer: Fetched, scan: PageScan, raw_ref: str
    ) -> str:
        url, parent = visit.page.url, visit.source
        child_id = visit.page.child_id if child else None
        child_id = child_id or derived_id("page", visit.source_id, url, visit.run_id)
        command = ImportPage(
            source_id=child_id,
            bot_profile_id=parent.bot_profile_id,
            parent_id=visit.source_id,
            settings=SourceSettings(
                name=scan.title or url[:255],
                config={"url": url},
                authority=parent.settings.authority,
                is_active=parent.settings.is_active,
                language=parent.settings.language,
            ),
            raw_ref=raw_ref,
            media_type=answer.media_type,
            requested_url=url,
            etag=answer.etag,
            last_modified=answer.last_modified,
            size=len(answer.data),
        )
        await self.execute(command, visit.metadata, "import")
        return child_id

    async def _links(self, visit: Visit, scan: PageScan) -> list[FoundPage]:
        return await self._found(visit, scan.links, scan.base, visit.page.depth + 1, "link")

    async def _found(
        self, visit: Visit, addresses: Any, base: str, depth: int, via: Any
    ) -> list[FoundPage]:
        page = visit.page.url
        found = visit.site.found(
            addresses, base=normalised(base, page) or page, depth=depth, via=via
        )
        return await self.read_site.checked(visit.robots, [one for one in found if one.url != page])
