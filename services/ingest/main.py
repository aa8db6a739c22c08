"""Composition root of ingest. Read this first: it lists every way in."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import httpx

from services.ingest.adapters.batching import Batches
from services.ingest.adapters.differ import PooledDiffer
from services.ingest.adapters.documents import PooledDocuments
from services.ingest.adapters.embedder import SLOW_BATCH, AllEmbedders, PooledEmbedder
from services.ingest.adapters.host_pace import BrokerPace
from services.ingest.adapters.http_fetcher import HttpFetcher
from services.ingest.adapters.nyxcore import NyxcoreKnowledge
from services.ingest.adapters.pacing import BrokerPauses, Pacing
from services.ingest.adapters.pages import PooledPages
from services.ingest.domain.crawl import crawl_decider
from services.ingest.domain.shadow import shadow_decider
from services.ingest.domain.shadow_part import part_decider
from services.ingest.domain.source import source_decider
from services.ingest.handlers import CheckReferences, DeleteChildrenFirst
from services.ingest.projections.sources import Sources, first_row
from services.ingest.queries.backlog import Backlog
from services.ingest.queries.bots import BotRows, EstimateQueries
from services.ingest.queries.history import HistoryQueries
from services.ingest.queries.pages import PageQueries
from services.ingest.queries.shadow_indexes import ShadowIndexRows
from services.ingest.queries.sources import AsMade, SourceQueries
from services.ingest.reactions.choosing import ChooseSettings
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
from services.ingest.reactions.reindex import (
    KIND as REINDEX,
    FollowIngestion,
    GoOnReindexing,
    QueueReindex,
    ReindexSource,
)
from services.ingest.reactions.runs import EndIngestion, QueueIngestion
from services.ingest.reactions.shadow_index import (
    KIND as SHADOW_INDEX,
    CutForShadowIndexes,
    FollowWithShadows,
    GoOnWithShadow,
    QueueShadowIndex,
)
from services.ingest.reactions.site import ReadSite
from services.ingest.reactions.visit import VisitPage
from services.ingest.reactions.waiting import KIND as WAITING, GoOn, WaitForProvider
from services.ingest.settings import Settings
from services.ingest.tables import metadata
from shared.adapters import minilm, static_embedder
from shared.adapters.egress import authorities, egress_client
from shared.adapters.embedding import EmbeddingModels
from shared.adapters.model_prices import embedding_price
from shared.adapters.read_model import ReadModel
from shared.adapters.topology import PACE
from shared.adapters.worker_pool import WorkerPool
from shared.contracts.base import Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated, IndexBuilt, IndexFailed
from shared.contracts.chat_index import (
    IndexSwitched,
    ReindexCancelled,
    ReindexFailed,
    ReindexStarted,
)
from shared.contracts.chat_playground import RunCancelled, RunEnded, RunStarted
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
    SourceIngested,
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
from shared.contracts.ingest_shadow import EstimateReindex
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
from shared.runtime.clock_watch import hurrying, when_set
from shared.runtime.erasing import take_part
from shared.runtime.platform import Platform
from shared.runtime.service import Job, Service

__all__ = ["Settings", "build"]

FETCH_SECONDS = 30.0
MODEL_SECONDS = 60.0
SOURCES = ReadModel(
    service="ingest",
    name="sources",
    version=7,
    tables=metadata,
    owns={
        "source": source_decider,
        "crawl": crawl_decider,
        "shadow": shadow_decider,
        "shadow_part": part_decider,
    },
    projection=Sources(),
    listens=[
        (event.aggregate, event.name)
        for event in (
            ScheduleSet,
            ScheduleFired,
            ScheduleCancelled,
            BotProfileCreated,
            BotProfileUpdated,
            ReindexStarted,
            ReindexCancelled,
            ReindexFailed,
            IndexSwitched,
            RunStarted,
            RunEnded,
            RunCancelled,
        )
    ],
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
        made=AsMade(first_row),
    )

    batches = Batches()
    service.runs(batches.run)
    fetcher = HttpFetcher(http)
    documents = PooledDocuments(
        readers, ocr_languages=settings.ocr_languages, tessdata=settings.tessdata
    )
    bots = BotRows(store)
    choose = ChooseSettings(
        bots=bots,
        embedders=await _embedders(settings, platform, stack, batches, workers),
        secret=platform.vault.get,
        max_chars=settings.chunk_chars,
        overlap=settings.chunk_overlap,
    )
    ingest = IngestSource(
        execute=service.execute,
        current=service.current,
        fetcher=fetcher,
        documents=documents,
        choose=choose,
        remote=NyxcoreKnowledge(with_token),
        secret=platform.vault.get,
        wait=WaitForProvider(service.execute, service.current, service.timers, utc_now),
        blobs=platform.blobs,
    )
    reindex = ReindexSource(
        execute=service.execute,
        current=service.current,
        choose=choose,
        documents=documents,
        blobs=platform.blobs,
        timers=service.timers,
        now=utc_now,
    )
    shadows = _shadow_indexes(service, platform, ShadowIndexRows(store), bots, choose, documents)
    service.reacts("queue-ingestion", [IngestionRequested], QueueIngestion(service.dispatch_job))
    service.works(
        {"ingest": ingest, REINDEX: reindex, SHADOW_INDEX: shadows},
        given_up=_given_up(ingest, reindex, shadows),
        places=settings.jobs_at_once,
        share=settings.jobs_per_tenant,
    )
    go_on = GoOn(service.dispatch_job, service.execute)
    service.wakes(WAITING, go_on, given_up=go_on.given_up)
    service.reacts("end-ingestion", [IndexBuilt, IndexFailed], EndIngestion(service.execute))

    _reindexes(service, bots, choose, ShadowIndexRows(store))

    refresh = RefreshSource(service.execute, service.current)
    service.reacts("refresh-source", [ScheduleFired], refresh)
    _families(service, queries)

    backlog = Backlog(
        store, settings.queued_sources_per_tenant, service.current, references.check_new
    )
    await _websites(
        service,
        platform,
        PageQueries(store),
        HttpFetcher(http, seconds=settings.crawl_page_seconds),
        PooledPages(readers),
        ingest,
        backlog,
    )

    service.answers(AskAdmission, backlog.ask_admission)
    memo = service.remembers(store)
    service.answers(GetSource, queries.get_source, memo)
    service.answers(ListSources, queries.list_sources, memo)
    service.answers(CountChildren, queries.count_children)
    service.answers(CountSources, queries.count_sources, memo)
    service.answers(GetTimeline, queries.get_timeline, memo)
    history = HistoryQueries(store, platform.blobs, PooledDiffer(readers))
    service.answers(GetRevisions, history.get_revisions)
    service.answers(GetDocuments, history.get_documents)
    service.answers(GetChunks, history.get_chunks)
    service.answers(GetDifference, history.get_difference)
    take_part(service, store, end_tenant=platform.blobs.remove_all)
    return service


def _families(service: Service, queries: SourceQueries) -> None:
    """What follows for children from facts about their parents."""
    shown = service.shown("sources")
    ingest_children = IngestChildren(service.execute, queries.children_of, shown)
    service.reacts("ingest-children", [ChildrenIngestionRequested], ingest_children)
    sweep = SweepChildren(service.execute, service.current, queries.children_of, shown)
    service.reacts("sweep-children", [SourceCreated, SourceDeleted], sweep)

    pass_on = PassSettingsOn(service.execute, service.current, queries.standing, shown)
    service.reacts("pass-settings-on", [SourceUpdated], pass_on)
    restore = RestoreChildren(service.execute, queries.deleted_with, shown)
    service.reacts("restore-children", [SourceUndone], restore)


def _reindexes(
    service: Service, bots: BotRows, choose: ChooseSettings, runs: ShadowIndexRows
) -> None:
    """The ways into the making of other indexes; their jobs are worked with the others."""
    shown = service.shown("sources")
    queue = QueueReindex(bots, shown, service.dispatch_job)
    service.reacts("queue-reindex", [ReindexStarted], queue)
    follow = FollowIngestion(service.current, bots, shown, service.dispatch_job)
    also = FollowWithShadows(service.current, runs, service.dispatch_job)

    async def follow_both(recorded: Recorded[SourceIngested]) -> None:
        await follow(recorded)
        await also(recorded)

    service.reacts("follow-ingestion", [SourceIngested], follow_both)
    service.wakes(REINDEX, GoOnReindexing(service.dispatch_job))
    estimates = EstimateQueries(bots, choose, embedding_price, static_embedder.MODEL)
    service.answers(EstimateReindex, estimates.estimate)


def _shadow_indexes(
    service: Service,
    platform: Platform,
    rows: ShadowIndexRows,
    bots: BotRows,
    choose: ChooseSettings,
    documents: PooledDocuments,
) -> CutForShadowIndexes:
    """The ways into the making of what runs ask beside the bots' own indexes."""
    shown, dispatch = service.shown("sources"), service.dispatch_job
    service.reacts("queue-shadow-index", [RunStarted], QueueShadowIndex(bots, shown, dispatch))
    service.wakes(SHADOW_INDEX, GoOnWithShadow(dispatch))
    return CutForShadowIndexes(
        execute=service.execute,
        current=service.current,
        runs=rows,
        choose=choose,
        documents=documents,
        blobs=platform.blobs,
        timers=service.timers,
        now=utc_now,
    )


async def _embedders(
    settings: Settings,
    platform: Platform,
    stack: AsyncExitStack,
    batches: Batches,
    workers: WorkerPool,
) -> AllEmbedders:
    """The bundled model, and others at addresses of tenants or of the operator."""
    guarded = await stack.enter_async_context(
        egress_client(
            allow_loopback=settings.egress_allow_loopback, timeout=MODEL_SECONDS, max_redirects=0
        )
    )
    trusted = await stack.enter_async_context(
        httpx.AsyncClient(verify=authorities(), timeout=MODEL_SECONDS, trust_env=False)
    )
    key = settings.openai_api_key
    models = EmbeddingModels(
        guarded=guarded,
        trusted=trusted,
        openai_key=key.get_secret_value() if key else None,
        openai_base=settings.openai_api_base,
        local=_local(workers),
    )
    pauses = BrokerPauses(await platform.client.jetstream().key_value(PACE))
    return AllEmbedders(PooledEmbedder(workers), models, batches, Pacing(pauses))


def _local(workers: WorkerPool) -> dict[str, PooledEmbedder]:
    """Models beside the bundled one that this installation has."""
    if not minilm.is_installed():
        return {}
    return {minilm.MODEL: PooledEmbedder(workers, minilm.MODEL, minilm.embed, SLOW_BATCH)}


def _given_up(
    ingest: IngestSource, reindex: ReindexSource, shadows: CutForShadowIndexes
) -> Callable[[Job, str], Awaitable[None]]:
    others = {REINDEX: reindex.given_up, SHADOW_INDEX: shadows.given_up}

    async def given_up(job: Job, reason: str) -> None:
        await others.get(job.kind, ingest.given_up)(job, reason)

    return given_up


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
            is_current=ingest.is_current,
        ),
        full=backlog.full,
        pace=pace,
        timers=service.timers,
        blobs=platform.blobs,
        sleep=asyncio.sleep,
        now=utc_now,
    )
    service.wakes(KIND, crawl, given_up=crawl.given_up)
    # What waits for so many seconds, and for no hour of the clock.
    service.runs(lambda: when_set(hurrying(service.timers, KIND, WAITING, REINDEX, SHADOW_INDEX)))
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
