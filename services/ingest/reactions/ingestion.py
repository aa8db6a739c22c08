"""The job of an ingestion: effects through ports, and their outcomes as commands.

A failure that belongs to the source is an outcome and becomes a fact; a failure of the world is
raised, and the job comes again.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from services.ingest.domain.shadow import Shadow
from services.ingest.domain.source import Present
from services.ingest.domain.stages import Run
from services.ingest.ports import (
    Chosen,
    Documents,
    EmbeddingRefused,
    Extracted,
    Fetched,
    Fetcher,
    FetchFailed,
    NotModified,
    RemoteKnowledge,
    Unreadable,
)
from services.ingest.reactions.preparation import (
    Known,
    Preparation,
    answering,
    content_hash,
)
from shared.adapters.blobs import Blobs
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.ingest import (
    NYXCORE,
    Prepared,
    RecordFailed,
    RecordFetched,
    RecordPrepared,
    RecordRemote,
    RecordUnchanged,
    SourceFetched,
    StartIngestion,
)
from shared.contracts.ingest_stages import Batch, Plan, RecordChunked, RecordEmbedded
from shared.contracts.ingest_website import BeginCrawl
from shared.kernel import faults
from shared.kernel.errors import Throttled, Unavailable
from shared.kernel.faults import FaultPoint

FETCH_ATTEMPTS = 3
"""A site that does not answer is asked so often before the source is in error."""
NOTHING = "No content to ingest"
WORDLESS = ": there is no text in it"
TEXT_TYPES = ("text/markdown", "text/plain", "text/html")

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
Secret = Callable[[str, str], Awaitable[bytes | None]]
Wait = Callable[[str, str, Metadata, Throttled], Awaitable[None]]
"""Has the run of a source go on when its provider takes more again."""
Choose = Callable[[str, str], Awaitable[Chosen]]
"""Of a tenant's bot: the settings of the generation that answers."""


class Job(Protocol):
    """One attempt at a queued piece of work."""

    aggregate_id: str
    body: bytes
    attempt: int
    metadata: Metadata


@dataclass(frozen=True)
class IngestSource:
    """Fetch, extract, chunk, embed; every stage that is done is a fact, and not done again."""

    execute: Execute
    current: Current
    fetcher: Fetcher
    documents: Documents
    choose: Choose
    remote: RemoteKnowledge
    secret: Secret
    wait: Wait
    blobs: Blobs

    async def is_current(self, tenant_id: str, source_id: str, source: Present) -> bool:
        """Whether the source answers from chunks that would be made the same way again."""
        preparation, shadow = await self._prepares(tenant_id, source_id, source)
        return self._made_so(preparation, source, shadow)

    async def __call__(self, job: Job) -> None:
        """Work one attempt. Raises `Unavailable` if it should be tried again."""
        run_id = job.body.decode()
        source = await self._running(job, run_id)
        if source is None or source.run is None or source.run.prepared is not None:
            return  # superseded, deleted, or waiting for the index
        start = StartIngestion(source_id=job.aggregate_id, run_id=run_id, attempt=job.attempt)
        await self.execute(start, job.metadata, f"start {job.attempt}")
        faults.passed(FaultPoint.INGEST_STARTED)
        try:
            if source.source_type == "website":
                begin = BeginCrawl(source_id=job.aggregate_id, run_id=run_id)
                await self.execute(begin, job.metadata, "begin crawl")
            elif source.source_type == "nyxcore":
                await self._count_remote(job, source)
            else:
                await self._work(job, source, source.run)
        except FetchFailed as failure:
            if failure.retryable and job.attempt < FETCH_ATTEMPTS:
                raise Unavailable(failure.reason) from failure
            await self._fail(job, failure.reason)
        except (Unreadable, EmbeddingRefused) as failure:
            await self._fail(job, failure.reason)
        except Throttled as refusal:
            await self.wait(job.aggregate_id, run_id, job.metadata, refusal)

    async def given_up(self, job: Job, reason: str) -> None:
        """After the last attempt the source says so: nothing stays in `processing`."""
        await self._fail(job, f"Ingestion failed at every attempt: {reason}")

    async def _work(self, job: Job, source: Present, run: Run) -> None:
        tenant_id, source_id, run_id = job.metadata.tenant_id, job.aggregate_id, run.run_id
        preparation, shadow = await self._prepares(tenant_id, source_id, source)
        conditional = self._conditional(preparation, source, shadow)
        fetched = run.fetched or await self._fetch(job, source, conditional=conditional)
        if fetched is None:
            return await self._unchanged(job)
        plan, known = run.plan, None
        if plan is None or plan.recipe != preparation.recipe(source):
            started = time.perf_counter()
            document = await self._read(tenant_id, source, fetched)
            faults.passed(FaultPoint.INGEST_EXTRACTED)
            if self._answers_already(preparation, source, shadow, document):
                return await self._unchanged(job)
            read_seconds = time.perf_counter() - started
            known = await preparation.known(tenant_id, source, shadow)
            plan, split_seconds = await preparation.plan(tenant_id, source, document, known)
            chunked = RecordChunked(
                source_id=source_id,
                run_id=run_id,
                plan=plan,
                read_seconds=read_seconds,
                split_seconds=split_seconds,
            )
            await self.execute(chunked, job.metadata, f"chunked by {plan.recipe}")
            faults.passed(FaultPoint.INGEST_CHUNKED)
        known = known or await preparation.known(tenant_id, source, shadow)
        prepared = await self._embed(job, preparation, source, run, fetched, plan, known)
        command = RecordPrepared(source_id=source_id, run_id=run_id, prepared=prepared)
        await self.execute(command, job.metadata, "prepared")
        faults.passed(FaultPoint.INGEST_PREPARED)
        return None

    async def _embed(
        self,
        job: Job,
        preparation: Preparation,
        source: Present,
        run: Run,
        fetched: SourceFetched,
        plan: Plan,
        known: Known,
    ) -> Prepared:
        async def tell(number: int, batch: Batch, embedded: int) -> None:
            command = RecordEmbedded(
                source_id=job.aggregate_id,
                run_id=run.run_id,
                number=number,
                batch=batch,
                embedded=embedded,
            )
            await self.execute(command, job.metadata, f"embedded {number} by {plan.recipe}")

        done, before = (run.batches, run.embedded) if run.plan == plan else ((), 0)
        made = await preparation.embed(
            job.metadata.tenant_id,
            plan,
            done,
            before,
            known,
            tell,
            about=(job.aggregate_id, run.run_id),
        )
        return Prepared(
            revision=source.revision + 1,
            content_hash=plan.content_hash,
            recipe=plan.recipe,
            text_ref=plan.text_ref,
            title=plan.title,
            url=fetched.url,
            language=plan.language,
            characters=plan.characters,
            embedding_model=preparation.chosen.embedder.model,
            dimension=made.dimension,
            chunk_count=plan.chunk_count,
            embedded_count=made.embedded,
            batches=made.batches,
            media_type=fetched.media_type,
            size=fetched.size,
            pages=plan.pages,
            generation=preparation.chosen.generation,
        )

    async def _prepares(
        self, tenant_id: str, source_id: str, source: Present
    ) -> tuple[Preparation, Shadow]:
        chosen = await self.choose(tenant_id, source.bot_profile_id)
        shadow = await self.current("shadow", tenant_id, source_id)
        return Preparation(self.documents, self.blobs, chosen), shadow

    async def _read(self, tenant_id: str, source: Present, fetched: SourceFetched) -> Extracted:
        raw = await self.blobs.get(tenant_id, fetched.raw_ref)
        strict = source.source_type == "upload"
        document = await self.documents.read(raw, fetched.media_type, strict=strict)
        if not document.text:
            raise Unreadable(NOTHING if source.source_type == "text" else f"{NOTHING}{WORDLESS}")
        return document

    def _answers_already(
        self, preparation: Preparation, source: Present, shadow: Shadow, document: Extracted
    ) -> bool:
        serving = source.serving
        same_text = serving is not None and serving.content_hash == content_hash(document)
        return same_text and self._made_so(preparation, source, shadow)

    def _made_so(self, preparation: Preparation, source: Present, shadow: Shadow) -> bool:
        serving = answering(source, shadow, preparation.chosen.generation)
        return serving is not None and serving.recipe == preparation.recipe(source)

    async def _count_remote(self, job: Job, source: Present) -> None:
        """The knowledge stays with the remote API; how much there is shows that it answers."""
        tenant_id, ref = job.metadata.tenant_id, source.settings.token_ref
        token = None if ref is None else await self.secret(tenant_id, ref)
        if token is None:
            raise Unreadable("No API token configured")
        base_url = source.settings.config.get("base_url", NYXCORE)
        found = await self.remote.size(base_url, token.decode())
        command = RecordRemote(
            source_id=job.aggregate_id,
            run_id=job.body.decode(),
            document_count=found.documents,
            chunk_count=found.chunks,
        )
        await self.execute(command, job.metadata, "remote")

    async def _fetch(self, job: Job, source: Present, *, conditional: bool) -> SourceFetched | None:
        """None if the server says that nothing changed."""
        found = await self._get(job, source, conditional=conditional)
        if found is None:
            return None
        tenant_id = job.metadata.tenant_id
        event = SourceFetched(
            source_id=job.aggregate_id,
            run_id=job.body.decode(),
            raw_ref=await self.blobs.put(tenant_id, found.data),
            media_type=found.media_type,
            requested_url=source.settings.config.get("url"),
            url=found.url,
            etag=found.etag,
            last_modified=found.last_modified,
            size=len(found.data),
        )
        command = RecordFetched.model_validate(event.model_dump())
        await self.execute(command, job.metadata, "fetched")
        faults.passed(FaultPoint.INGEST_FETCHED)
        return event

    async def _get(self, job: Job, source: Present, *, conditional: bool) -> Fetched | None:
        settings = source.settings
        if source.source_type in ("text", "upload"):
            if settings.content_ref is None:
                raise Unreadable(NOTHING)
            return Fetched(
                url=None,
                data=await self.blobs.get(job.metadata.tenant_id, settings.content_ref),
                media_type=settings.media_type or _text_type(settings.config.get("media_type")),
            )
        if "url" not in settings.config:
            raise Unreadable("No address to fetch")
        before = source.fetched if conditional else None
        answer = await self.fetcher.fetch(
            str(settings.config["url"]),
            etag=before.etag if before else None,
            last_modified=before.last_modified if before else None,
        )
        return None if isinstance(answer, NotModified) else answer

    def _conditional(self, preparation: Preparation, source: Present, shadow: Shadow) -> bool:
        """Whether `304 Not Modified` would mean that nothing has to be done."""
        if source.fetched is None:
            return False
        same_page = source.fetched.requested_url == source.settings.config.get("url")
        return same_page and self._made_so(preparation, source, shadow)

    async def _running(self, job: Job, run_id: str) -> Present | None:
        source = await self.current("source", job.metadata.tenant_id, job.aggregate_id)
        if not isinstance(source, Present) or source.run is None:
            return None
        return source if source.run.run_id == run_id else None

    async def _unchanged(self, job: Job) -> None:
        command = RecordUnchanged(source_id=job.aggregate_id, run_id=job.body.decode())
        await self.execute(command, job.metadata, "unchanged")

    async def _fail(self, job: Job, reason: str) -> None:
        command = RecordFailed(source_id=job.aggregate_id, run_id=job.body.decode(), reason=reason)
        await self.execute(command, job.metadata, f"failed {job.attempt}")


def _text_type(wanted: object) -> str:
    """What a text that was sent in is read as."""
    return wanted if isinstance(wanted, str) and wanted in TEXT_TYPES else TEXT_TYPES[0]
