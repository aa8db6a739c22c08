"""Composition root of ingest. Read this first: it lists every way in."""

import asyncio
from contextlib import AsyncExitStack

from services.ingest.adapters.batching import Batches
from services.ingest.adapters.differ import PooledDiffer
from services.ingest.adapters.documents import PooledDocuments
from services.ingest.adapters.embedder import PooledEmbedder
from services.ingest.adapters.host_pace import BrokerPace
from services.ingest.adapters.http_fetcher import HttpFetcher
from services.ingest.adapters.nyxcore import NyxcoreKnowledge
from services.ingest.adapters.pages import PooledPages
from services.ingest.domain.crawl import crawl_decider
from services.ingest.domain.source import source_decider
from services.ingest.handlers import CheckReferences, DeleteChildrenFirst
from services.ingest.projections.sources import Sources
from services.ingest.queries.backlog import Backlog
from services.ingest.queries.history import HistoryQueries
from services.ingest.queries.pages import PageQueries
from services.ingest.queries.sources import SourceQueries
from services.ingest.reactions.crawl import KIND, CrawlWebsite, EndCrawl, WakeCrawl
from services.ingest.reactions.families import (
    IngestChildren,
    PassSettingsOn,
    RestoreChildren,
    SweepChildren,
)
from services.ingest.reactions.ingestion import IngestSource
from services.ingest.reactions.preview import PreviewSite
from services.ingest.reactions.refresh import RefreshSource
from services.ingest.reactions.runs import EndIngestion, QueueIngestion
from services.ingest.reactions.site import ReadSite
from services.ingest.reactions.visit import VisitPage
from services.ingest.reactions.waiting import KIND as WAITING, GoOn, WaitForProvider
from services.ingest.settings import Settings
from services.ingest.tables import metadata
from shared.adapters.egress import egress_client
from shared.adapters.read_model import ReadModel
from shared.adapters.topology import PACE
from shared.adapters.worker_pool import WorkerPool
from shared.contracts.chat import IndexBuilt, IndexFailed
from shared.contracts.ingest import (
    ChildrenIngestionRequested,
    CountChildren,
    CountSources,
    CreateSource,
    CreateSourceBatch,
    DeleteSource,
    GetSource,
    GetTimeline,
    IngestionRequested,
    ListSources,
    RequestChildrenIngestion,
    RequestIngestion,
    SourceCreated,
    SourceDeleted,
    SourceUpdated,
    UpdateSource,
)
from shared.contracts.ingest_backlog import AskAdmission
from shared.contracts.ingest_history import (
    GetChunks,
    GetDifference,
    GetDocuments,
    GetRevisions,
)
from shared.contracts.ingest_stages import SourceUndone, UndoSource
from shared.contracts.ingest_website import (
    CancelCrawl,
    CrawlBegun,
    CrawlCancelled,
    CrawlFinished,
    CrawlResumed,
    GetCrawl,
    ListCrawledPages,
    PauseCrawl,
    PreviewWebsite,
    ResumeCrawl,
)
from shared.contracts.scheduler import ScheduleCancelled, ScheduleFired, ScheduleSet
from shared.kernel.clock import utc_now
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]

FETCH_SECONDS = 30.0
VISIT_SECONDS = 20.0
"""For a page of a site that is crawled."""
SOURCES = ReadModel(
    service="ingest",
    name="sources",
    version=5,
    tables=metadata,
    owns={"source": source_decider, "crawl": crawl_decider},
    projection=Sources(),
    listens=[(e.aggregate, e.name) for e in (ScheduleSet, ScheduleFired, ScheduleCancelled)],
)


async def build(settings: Settings, platform: Platform, stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    workers = WorkerPool(settings.workers, idle_seconds=settings.worker_idle_seconds)
    stack.push_async_callback(workers.aclose)
    readers = WorkerPool(
        settings.workers,
        idle_seconds=settings.worker_idle_seconds,
        memory_bytes=settings.document_memory_mb * 1024 * 1024,
    )
    stack.push_async_callback(readers.aclose)
    http = await stack.enter_async_context(
        egress_client(allow_loopback=settings.egress_allow_loopback, timeout=FETCH_SECONDS)
    )

    # A client that sends a token follows no redirect: the token would go along to another host.
    with_token = await stack.enter_async_context(
        egress_client(
            allow_loopback=settings.egress_allow_loopback, timeout=FETCH_SECONDS, max_redirects=0
        )
    )

    service = Service(platform)
    service.runs(workers.reap)
    service.runs(readers.reap)
    store = service.keeps(SOURCES)
    queries = SourceQueries(store)
    references = CheckReferences(platform.event_log.last_sequence_of, service.current)
    service.takes(
        store,
        [
            CreateSource,
            CreateSourceBatch,
            UpdateSource,
            DeleteSource,
            UndoSource,
            RequestIngestion,
            RequestChildrenIngestion,
            PauseCrawl,
            ResumeCrawl,
            CancelCrawl,
        ],
        check=references,
        before=DeleteChildrenFirst(service.execute, service.execute_together, queries.children_of),
    )

    batches = Batches()
    service.runs(batches.run)
    bundled = PooledEmbedder(workers)
    fetcher = HttpFetcher(http)
    ingest = IngestSource(
        execute=service.execute,
        current=service.current,
        fetcher=fetcher,
        documents=PooledDocuments(
            readers, ocr_languages=settings.ocr_languages, tessdata=settings.tessdata
        ),
        embedder=batches.before(bundled, bundled.model),
        remote=NyxcoreKnowledge(with_token),
        secret=platform.vault.get,
        wait=WaitForProvider(service.execute, service.current, service.timers, utc_now),
        blobs=platform.blobs,
        max_chars=settings.chunk_chars,
        overlap=settings.chunk_overlap,
    )
    service.reacts("queue-ingestion", [IngestionRequested], QueueIngestion(service.dispatch_job))
    service.works(
        {"ingest": ingest},
        given_up=ingest.given_up,
        places=settings.jobs_at_once,
        share=settings.jobs_per_tenant,
    )
    go_on = GoOn(service.dispatch_job, service.execute)
    service.wakes(WAITING, go_on, given_up=go_on.given_up)
    service.reacts("end-ingestion", [IndexBuilt, IndexFailed], EndIngestion(service.execute))

    refresh = RefreshSource(service.execute, service.current)
    service.reacts("refresh-source", [ScheduleFired], refresh)

    shown = service.shown("sources")
    ingest_children = IngestChildren(service.execute, queries.children_of, shown)
    service.reacts("ingest-children", [ChildrenIngestionRequested], ingest_children)
    sweep = SweepChildren(service.execute, service.current, queries.children_of, shown)
    service.reacts("sweep-children", [SourceCreated, SourceDeleted], sweep)

    pass_on = PassSettingsOn(service.execute, service.current, queries.standing, shown)
    service.reacts("pass-settings-on", [SourceUpdated], pass_on)
    restore = RestoreChildren(service.execute, queries.deleted_with, shown)
    service.reacts("restore-children", [SourceUndone], restore)

    backlog = Backlog(
        store, settings.queued_sources_per_tenant, service.current, references.check_new
    )
    await _websites(
        service,
        platform,
        PageQueries(store),
        HttpFetcher(http, seconds=VISIT_SECONDS),
        PooledPages(readers),
        ingest,
        backlog,
    )

    service.answers(AskAdmission, backlog.ask_admission)
    service.answers(GetSource, queries.get_source)
    service.answers(ListSources, queries.list_sources)
    service.answers(CountChildren, queries.count_children)
    service.answers(CountSources, queries.count_sources)
    service.answers(GetTimeline, queries.get_timeline)
    history = HistoryQueries(store, platform.blobs, PooledDiffer(readers))
    service.answers(GetRevisions, history.get_revisions)
    service.answers(GetDocuments, history.get_documents)
    service.answers(GetChunks, history.get_chunks)
    service.answers(GetDifference, history.get_difference)
    return service


async def _websites(
    service: Service,
    platform: Platform,
    rows: PageQueries,
    visitor: HttpFetcher,
    pages: PooledPages,
    ingest: IngestSource,
    backlog: Backlog,
) -> None:
    """The ways into crawls."""
    pace = BrokerPace(await platform.client.jetstream().key_value(PACE))
    read_site = ReadSite(visitor, pages, pace, asyncio.sleep)
    crawl = CrawlWebsite(
        execute=service.execute,
        current=service.current,
        rows=rows,
        read_site=read_site,
        visit_page=VisitPage(
            execute=service.execute,
            current=service.current,
            fetcher=visitor,
            pages=pages,
            rows=rows,
            read_site=read_site,
            blobs=platform.blobs,
            recipe=lambda: ingest.recipe,
        ),
        full=backlog.full,
        pace=pace,
        timers=service.timers,
        blobs=platform.blobs,
        sleep=asyncio.sleep,
        now=utc_now,
    )
    service.wakes(KIND, crawl, given_up=crawl.given_up)
    wake_crawl = WakeCrawl(service.timers, utc_now)
    service.reacts("wake-crawl", [CrawlBegun, CrawlResumed], wake_crawl)

    async def wake_all() -> None:
        await wake_crawl.wake_all(rows.running)

    service.starts(wake_all)
    service.reacts("end-crawl", [CrawlFinished, CrawlCancelled], EndCrawl(service.execute))
    service.answers(GetCrawl, rows.get_crawl)
    service.answers(ListCrawledPages, rows.list_pages)
    preview = PreviewSite(read_site, visitor, pages, pace, asyncio.sleep)
    service.answers(PreviewWebsite, preview)
