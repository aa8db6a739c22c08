"""The job of an ingestion: effects through ports, and their outcomes as commands.

A failure that belongs to the source is an outcome and becomes a fact; a failure of the world is
raised, and the job comes again.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.ingest.domain.source import Present, Run
from services.ingest.ports import (
    Documents,
    Embedder,
    Extracted,
    Fetched,
    Fetcher,
    FetchFailed,
    NotModified,
    RemoteKnowledge,
    Unreadable,
)
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import (
    BATCH_SIZE,
    PreparedChunk,
    indexed_text,
    read_batch,
    text_hash,
    write_batch,
)
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.ingest import (
    NYXCORE,
    Batch,
    Prepared,
    RecordFailed,
    RecordFetched,
    RecordPrepared,
    RecordRemote,
    RecordUnchanged,
    SourceFetched,
    StartIngestion,
)
from shared.kernel.errors import Unavailable

FETCH_ATTEMPTS = 3
"""A site that does not answer is asked so often before the source is in error."""
NOTHING = "No content to ingest"
WORDLESS = ": there is no text in it"
TEXT_TYPES = ("text/markdown", "text/plain", "text/html")

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
Secret = Callable[[str, str], Awaitable[bytes | None]]


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
    embedder: Embedder
    remote: RemoteKnowledge
    secret: Secret
    blobs: Blobs
    max_chars: int
    overlap: int

    @property
    def recipe(self) -> str:
        """What, besides the text, decides how chunks and vectors come out."""
        return f"1/{self.embedder.model}/{self.max_chars}/{self.overlap}"

    async def __call__(self, job: Job) -> None:
        """Work one attempt. Raises `Unavailable` if it should be tried again."""
        run_id = job.body.decode()
        source = await self._running(job, run_id)
        if source is None or source.run is None or source.run.prepared is not None:
            return  # superseded, deleted, or waiting for the index
        start = StartIngestion(source_id=job.aggregate_id, run_id=run_id, attempt=job.attempt)
        await self.execute(start, job.metadata, f"start {job.attempt}")
        try:
            if source.source_type == "nyxcore":
                await self._count_remote(job, source)
            else:
                await self._work(job, source, source.run)
        except FetchFailed as failure:
            if failure.retryable and job.attempt < FETCH_ATTEMPTS:
                raise Unavailable(failure.reason) from failure
            await self._fail(job, failure.reason)
        except Unreadable as failure:
            await self._fail(job, failure.reason)

    async def given_up(self, job: Job, reason: str) -> None:
        """After the last attempt the source says so: nothing stays in `processing`."""
        await self._fail(job, f"Ingestion failed at every attempt: {reason}")

    async def _work(self, job: Job, source: Present, run: Run) -> None:
        fetched = run.fetched or await self._fetch(job, source)
        if fetched is None:
            return await self._unchanged(job)
        raw = await self.blobs.get(job.metadata.tenant_id, fetched.raw_ref)
        document = await self.documents.read(
            raw, fetched.media_type, strict=source.source_type == "upload"
        )
        if not document.text:
            raise Unreadable(NOTHING if source.source_type == "text" else f"{NOTHING}{WORDLESS}")
        content_hash = hashlib.sha256(document.text.encode()).hexdigest()
        serving = source.serving
        if serving and (serving.content_hash, serving.recipe) == (content_hash, self.recipe):
            return await self._unchanged(job)
        prepared = await self._prepare(job, source, fetched, document, content_hash)
        command = RecordPrepared(
            source_id=job.aggregate_id, run_id=job.body.decode(), prepared=prepared
        )
        await self.execute(command, job.metadata, "prepared")
        return None

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

    async def _fetch(self, job: Job, source: Present) -> SourceFetched | None:
        """None if the server says that nothing changed."""
        found = await self._get(job, source)
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
        return event

    async def _get(self, job: Job, source: Present) -> Fetched | None:
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
        before = source.fetched if self._conditional(source) else None
        answer = await self.fetcher.fetch(
            str(settings.config["url"]),
            etag=before.etag if before else None,
            last_modified=before.last_modified if before else None,
        )
        return None if isinstance(answer, NotModified) else answer

    def _conditional(self, source: Present) -> bool:
        """Whether `304 Not Modified` would mean that nothing has to be done."""
        fetched, serving = source.fetched, source.serving
        if fetched is None or serving is None:
            return False
        same_page = fetched.requested_url == source.settings.config.get("url")
        return same_page and serving.recipe == self.recipe

    async def _prepare(
        self,
        job: Job,
        source: Present,
        fetched: SourceFetched,
        document: Extracted,
        content_hash: str,
    ) -> Prepared:
        text, tenant_id = document.text, job.metadata.tenant_id
        spans = await self.documents.split(document, max_chars=self.max_chars, overlap=self.overlap)
        if not spans:
            raise Unreadable("Chunking produced no output")
        known = await self._vectors(tenant_id, source.serving)
        batches, embedded = [], 0
        for first in range(0, len(spans), BATCH_SIZE):
            part = spans[first : first + BATCH_SIZE]
            texts = [indexed_text(span.heading, text[span.start : span.end]) for span in part]
            embedded += await self._embed_new(texts, known)
            chunks = [
                PreparedChunk(
                    ordinal=first + n,
                    text=text[span.start : span.end],
                    start=span.start,
                    end=span.end,
                    heading=span.heading,
                    vector=known[text_hash(texts[n])],
                    page=span.page,
                    language=span.language,
                )
                for n, span in enumerate(part)
            ]
            ref = await self.blobs.put(tenant_id, write_batch(chunks))
            batches.append(Batch(ref=ref, count=len(chunks)))
        return Prepared(
            revision=source.revision + 1,
            content_hash=content_hash,
            recipe=self.recipe,
            text_ref=await self.blobs.put(tenant_id, text.encode()),
            title=document.title,
            url=fetched.url,
            language=document.language,
            characters=len(text),
            embedding_model=self.embedder.model,
            dimension=self.embedder.dimension,
            chunk_count=len(spans),
            embedded_count=embedded,
            batches=tuple(batches),
        )

    async def _embed_new(self, texts: Sequence[str], known: dict[str, bytes]) -> int:
        """Put vectors of texts not yet known into `known`; return how many those were."""
        new = {text_hash(text): text for text in texts if text_hash(text) not in known}
        if new:
            vectors = await self.embedder.embed(list(new.values()))
            known.update(zip(new, vectors, strict=True))
        return len(new)

    async def _vectors(self, tenant_id: str, serving: Prepared | None) -> dict[str, bytes]:
        """Vectors of the revision before, by text: the same text is not paid for twice."""
        if serving is None or serving.embedding_model != self.embedder.model:
            return {}
        known: dict[str, bytes] = {}
        for batch in serving.batches:
            for chunk in read_batch(await self.blobs.get(tenant_id, batch.ref)):
                known[text_hash(chunk.indexed_text)] = chunk.vector
        return known

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
