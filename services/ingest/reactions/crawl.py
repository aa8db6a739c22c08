"""How the import of a website goes on, step by step, whichever replica takes the next one.

A crawl is driven by a timer of the broker: when it goes off, whoever hears it visits pages for some
seconds and sets it again. All that is known stands in the log and in rows that follow from it, so
that a step that is cut short is begun again with the same page, and nothing before it.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from services.ingest.domain.crawl import Crawl
from services.ingest.domain.source import Present
from services.ingest.domain.website import Website, site_of
from services.ingest.ports import FetchFailed, HostPace, Tick, Timers
from services.ingest.reactions.site import PATIENCE, ReadSite, SiteClosed, Sleep, hold
from services.ingest.reactions.visit import DuePage, Execute, Visit, VisitPage
from shared.adapters.blobs import Blobs
from shared.contracts.base import Metadata, Recorded
from shared.contracts.ingest import DeleteSource, RecordFailed, RecordRemote
from shared.contracts.ingest_website import (
    CrawlBegun,
    CrawlCancelled,
    CrawlFinished,
    CrawlResumed,
    FinishCrawl,
    RecordSite,
)
from shared.kernel import faults
from shared.kernel.errors import NotFound
from shared.kernel.faults import FaultPoint
from shared.kernel.ids import derived_id

KIND = "crawl"
"""Of the timers."""
STEP_SECONDS = 5.0
"""How long one step goes on before the next may be another replica's."""
REST_SECONDS = 5.0
"""How long a crawl rests while too many sources of its tenant wait."""
PATIENT_SECONDS = 3.0
"""A site that is free again so soon is waited for within the step."""

Current = Callable[[str, str, str], Awaitable[Any]]
Running = tuple[str, str, str]
"""Tenant, source and run of a crawl that is on its way."""
Now = Callable[[], datetime]


class KeptPage(Protocol):
    """A page that is a source, and that this crawl did not find to be one again."""

    @property
    def url(self) -> str: ...
    @property
    def child_id(self) -> str: ...
    @property
    def seen(self) -> bool: ...
    @property
    def outcome(self) -> str: ...


class Rows(Protocol):
    """The pages as they are known."""

    async def next_due(self, tenant_id: str, source_id: str, run_id: str) -> DuePage | None: ...

    async def known(
        self, tenant_id: str, source_id: str, run_id: str, urls: Sequence[str]
    ) -> set[str]: ...

    async def kept(self, tenant_id: str, source_id: str, run_id: str) -> Sequence[KeptPage]: ...

    async def why_root_failed(self, tenant_id: str, source_id: str, run_id: str) -> str | None: ...


class WakeCrawl:
    """A crawl that begins or goes on has its first step at once."""

    def __init__(self, timers: Timers, now: Now) -> None:
        self._timers = timers
        self._now = now

    async def __call__(self, recorded: Recorded[CrawlBegun | CrawlResumed]) -> None:
        event = recorded.event
        await self._timers.set(
            KIND, event.source_id, self._now(), recorded.metadata, event.run_id.encode()
        )

    async def wake_all(self, running: Callable[[], Awaitable[Sequence[Running]]]) -> None:
        """Have every crawl take a step: the broker's stream of timers may have been lost."""
        for tenant_id, source_id, run_id in await running():
            cause = Metadata(
                tenant_id=tenant_id,
                message_id=derived_id("wake", source_id, run_id),
                correlation_id=run_id,
                actor="service/ingest",
                now=self._now(),
            )
            await self._timers.set(KIND, source_id, self._now(), cause, run_id.encode())


class EndCrawl:
    """The end of a crawl ends the run of its source."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def __call__(self, recorded: Recorded[CrawlFinished | CrawlCancelled]) -> None:
        event = recorded.event
        counts = event.counts
        good = counts.imported + counts.unchanged
        failure = event.failure if isinstance(event, CrawlFinished) else None
        if failure is None and not good:
            failure = "The import was cancelled before a page was imported"
        command = (
            RecordFailed(source_id=event.source_id, run_id=event.run_id, reason=failure)
            if failure is not None
            else RecordRemote(
                source_id=event.source_id, run_id=event.run_id, document_count=good, chunk_count=0
            )
        )
        await self._execute(command, recorded.metadata, "end crawl")


@dataclass(frozen=True)
class CrawlWebsite:
    """Takes the steps."""

    execute: Execute
    current: Current
    rows: Rows
    read_site: ReadSite
    visit_page: VisitPage
    full: Callable[[str], Awaitable[bool]]
    """Whether so much of a tenant waits that its websites rest."""
    pace: HostPace
    timers: Timers
    blobs: Blobs
    sleep: Sleep
    now: Now

    async def __call__(self, tick: Tick) -> None:
        """One step. Raises `Unavailable` if it should be taken again."""
        until = time.monotonic() + STEP_SECONDS
        while True:
            wait = await self._go_on(tick)
            if wait is None:
                return
            if wait or time.monotonic() >= until:
                at = self.now() + timedelta(seconds=wait)
                await self.timers.set(KIND, tick.timer_id, at, tick.metadata, tick.body)
                return

    async def given_up(self, tick: Tick, reason: str) -> None:
        """After the last attempt the source says so: nothing stays in `processing`."""
        await self._finish(tick, f"The import failed at every attempt: {reason}")

    async def _go_on(self, tick: Tick) -> float | None:
        """Do what is next. None: there is nothing more; else wait so many seconds."""
        tenant_id, source_id, run_id = tick.metadata.tenant_id, tick.timer_id, tick.body.decode()
        crawl: Crawl = await self.current("crawl", tenant_id, source_id)
        if crawl.run_id != run_id or crawl.phase != "running":
            return None
        source = await self.current("source", tenant_id, source_id)
        if not isinstance(source, Present) or source.run is None or source.run.run_id != run_id:
            await self._finish(tick, "The source was deleted or is imported anew")
            return None
        site = Website.of(source.settings.config)
        if crawl.site is None:
            return await self._read(tick, site)
        counts = crawl.counts
        page = None
        if counts.imported + counts.unchanged < site.max_pages:
            page = await self.rows.next_due(tenant_id, source_id, run_id)
        if page is None:
            await self._complete(tick, crawl)
            return None
        if await self.full(tenant_id):
            return REST_SECONDS
        delay = crawl.site.delay_seconds
        wait = await self.pace.reserve(site_of(page.url), delay, PATIENT_SECONDS)
        if wait > PATIENT_SECONDS:
            return wait
        await self.sleep(wait)
        robots = crawl.site.robots_ref
        visit = Visit(
            source_id=source_id,
            source=source,
            run_id=run_id,
            site=site,
            robots=None if robots is None else await self.blobs.get(tenant_id, robots),
            page=page,
            metadata=_because(tick, f"visit {page.url}"),
        )

        async def paced(failure: FetchFailed) -> None:
            await hold(self.pace, page.url, failure)
            await self.sleep(await self.pace.reserve(site_of(page.url), delay, PATIENCE))

        record = await self.visit_page(visit, paced)
        faults.passed(FaultPoint.CRAWL_VISITED)
        known = await self.rows.known(
            tenant_id, source_id, run_id, [found.url for found in record.found]
        )
        fresh = tuple(found for found in record.found if found.url not in known)
        await self.execute(
            record.model_copy(update={"found": fresh}), visit.metadata, "record page"
        )
        faults.passed(FaultPoint.CRAWL_RECORDED)
        return 0.0

    async def _read(self, tick: Tick, site: Website) -> float | None:
        try:
            found = await self.read_site(site)
        except SiteClosed as closed:
            await self._finish(tick, str(closed))
            return None
        tenant_id = tick.metadata.tenant_id
        command = RecordSite(
            source_id=tick.timer_id,
            run_id=tick.body.decode(),
            robots_ref=None
            if found.robots is None
            else await self.blobs.put(tenant_id, found.robots),
            delay_seconds=found.delay_seconds,
            pages=tuple(found.pages),
            incomplete=found.incomplete,
        )
        await self.execute(command, _because(tick, "site"), "record site")
        return 0.0

    async def _complete(self, tick: Tick, crawl: Crawl) -> None:
        """Delete the sources of pages that are gone, then tell that it is done."""
        tenant_id, source_id, run_id = tick.metadata.tenant_id, tick.timer_id, tick.body.decode()
        if not crawl.counts.imported + crawl.counts.unchanged:
            why = await self.rows.why_root_failed(tenant_id, source_id, run_id)
            reason = "No page could be imported"
            await self._finish(tick, f"{reason}: {why}" if why else reason)
            return
        retired = []
        for page in await self.rows.kept(tenant_id, source_id, run_id):
            if page.outcome == "unreachable" or (crawl.incomplete and not page.seen):
                continue
            cause = _because(tick, f"retire {page.child_id}")
            with suppress(NotFound):
                await self.execute(DeleteSource(source_id=page.child_id), cause, "retire")
            retired.append(page.url)
        await self._finish(tick, None, tuple(retired))

    async def _finish(self, tick: Tick, failure: str | None, retired: tuple[str, ...] = ()) -> None:
        command = FinishCrawl(
            source_id=tick.timer_id, run_id=tick.body.decode(), failure=failure, retired=retired
        )
        await self.execute(command, _because(tick, "finish"), "finish crawl")


def _because(tick: Tick, purpose: str) -> Metadata:
    """A cause whose id follows from the crawl and the purpose, whichever tick it is."""
    message_id = derived_id("crawl", tick.timer_id, tick.body.decode(), purpose)
    return tick.metadata.model_copy(update={"message_id": message_id})
