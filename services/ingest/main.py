"""Composition root of ingest. Read this first: it lists every way in."""

from contextlib import AsyncExitStack

from services.ingest.adapters.documents import PooledDocuments
from services.ingest.adapters.embedder import PooledEmbedder
from services.ingest.adapters.http_fetcher import HttpFetcher
from services.ingest.domain import source_decider
from services.ingest.handlers import CheckReferences
from services.ingest.projections import Sources
from services.ingest.queries import SourceQueries
from services.ingest.reactions import EndIngestion, IngestSource, QueueIngestion
from services.ingest.settings import Settings
from services.ingest.tables import metadata
from shared.adapters.egress import egress_client
from shared.adapters.read_model import ReadModel
from shared.adapters.worker_pool import WorkerPool
from shared.contracts.chat import IndexBuilt, IndexFailed
from shared.contracts.ingest import (
    CreateSource,
    DeleteSource,
    GetSource,
    GetTimeline,
    IngestionRequested,
    ListSources,
    RequestIngestion,
    UpdateSource,
)
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]

FETCH_SECONDS = 30.0
SOURCES = ReadModel(
    service="ingest",
    name="sources",
    version=1,
    tables=metadata,
    owns={"source": source_decider},
    projection=Sources(),
)


async def build(settings: Settings, platform: Platform, stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    workers = WorkerPool(settings.workers, idle_seconds=settings.worker_idle_seconds)
    stack.push_async_callback(workers.aclose)
    http = await stack.enter_async_context(
        egress_client(allow_loopback=settings.egress_allow_loopback, timeout=FETCH_SECONDS)
    )

    service = Service(platform)
    service.runs(workers.reap)
    store = service.keeps(SOURCES)
    service.takes(
        store,
        [CreateSource, UpdateSource, DeleteSource, RequestIngestion],
        check=CheckReferences(platform.event_log.last_sequence_of, service.current),
    )

    ingest = IngestSource(
        execute=service.execute,
        current=service.current,
        fetcher=HttpFetcher(http),
        documents=PooledDocuments(workers),
        embedder=PooledEmbedder(workers),
        blobs=platform.blobs,
        max_chars=settings.chunk_chars,
        overlap=settings.chunk_overlap,
    )
    service.reacts("queue-ingestion", [IngestionRequested], QueueIngestion(service.dispatch_job))
    service.works({"ingest": ingest}, given_up=ingest.given_up)
    service.reacts("end-ingestion", [IndexBuilt, IndexFailed], EndIngestion(service.execute))

    queries = SourceQueries(store)
    service.answers(GetSource, queries.get_source)
    service.answers(ListSources, queries.list_sources)
    service.answers(GetTimeline, queries.get_timeline)
    return service
