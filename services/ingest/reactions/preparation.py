"""From a document that was read to a revision that can be indexed, stage by stage."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from services.ingest.domain.source import Present
from services.ingest.ports import Documents, Embedder, Extracted, Unreadable
from shared.adapters.blobs import Blobs
from shared.adapters.chunk_batch import (
    BATCH_SIZE,
    PreparedChunk,
    indexed_text,
    read_batch,
    text_hash,
    write_batch,
)
from shared.adapters.chunk_plan import Planned, read_plan, write_plan
from shared.contracts.base import Command
from shared.contracts.ingest import Prepared, SourceFetched
from shared.contracts.ingest_stages import Batch, Plan, RecordChunked, RecordEmbedded
from shared.kernel import faults
from shared.kernel.faults import FaultPoint

Tell = Callable[[Command, str], Awaitable[None]]
"""Order what was done to be recorded; the purpose makes a repetition harmless."""


@dataclass(frozen=True)
class Known:
    """What the revision before had, so that no text is paid for twice."""

    vectors: dict[str, bytes]
    """By the hash of the indexed text."""
    texts: Sequence[str]
    """Of its chunks, in order."""


@dataclass(frozen=True)
class Preparation:
    """Cut and embed. Every stage that is told is not done again by the next attempt."""

    documents: Documents
    embedder: Embedder
    blobs: Blobs
    max_chars: int
    overlap: int

    @property
    def common_recipe(self) -> str:
        """What, besides the text, decides how chunks and vectors come out."""
        return f"1/{self.embedder.model}/{self.max_chars}/{self.overlap}"

    def recipe(self, source: Present) -> str:
        """The same for a source whose language may be set."""
        language = source.settings.language
        return f"{self.common_recipe}/{language}" if language else self.common_recipe

    async def known(self, tenant_id: str, source: Present) -> Known:
        before = source.known
        if before is None or before.embedding_model != self.embedder.model:
            return Known({}, ())
        vectors, texts = {}, []
        for batch in before.batches:
            for chunk in read_batch(await self.blobs.get(tenant_id, batch.ref)):
                vectors[text_hash(chunk.indexed_text)] = chunk.vector
                texts.append(chunk.text)
        return Known(vectors, texts)

    async def plan(
        self,
        tell: Tell,
        tenant_id: str,
        source_id: str,
        run_id: str,
        source: Present,
        document: Extracted,
        read_seconds: float,
        known: Known,
    ) -> Plan:
        """Cut the document. Raises `Unreadable` if nothing comes of it."""
        started = time.perf_counter()
        spans = await self.documents.split(
            document, max_chars=self.max_chars, overlap=self.overlap, before=known.texts
        )
        if not spans:
            raise Unreadable("Chunking produced no output")
        language = source.settings.language
        if language is not None:
            spans = [replace(span, language=language) for span in spans]
        chunks = [
            Planned(span.start, span.end, span.heading, span.page, span.language) for span in spans
        ]
        plan = Plan(
            recipe=self.recipe(source),
            content_hash=content_hash(document),
            text_ref=await self.blobs.put(tenant_id, document.text.encode()),
            spans_ref=await self.blobs.put(tenant_id, write_plan(chunks)),
            title=document.title,
            language=language or document.language,
            characters=len(document.text),
            pages=document.pages[-1][1] if document.pages else 0,
            chunk_count=len(chunks),
        )
        command = RecordChunked(
            source_id=source_id,
            run_id=run_id,
            plan=plan,
            read_seconds=read_seconds,
            split_seconds=time.perf_counter() - started,
        )
        await tell(command, f"chunked by {plan.recipe}")
        faults.passed(FaultPoint.INGEST_CHUNKED)
        return plan

    async def prepare(
        self,
        tell: Tell,
        tenant_id: str,
        source_id: str,
        run_id: str,
        source: Present,
        fetched: SourceFetched,
        plan: Plan,
        known: Known,
    ) -> Prepared:
        """Embed what has no vector yet, in batches; the last one is told with the revision."""
        text = (await self.blobs.get(tenant_id, plan.text_ref)).decode()
        chunks = read_plan(await self.blobs.get(tenant_id, plan.spans_ref))
        run = source.run
        resumed = run is not None and run.plan == plan
        batches = list(run.batches) if run is not None and resumed else []
        total = run.embedded if run is not None and resumed else 0
        for first in range(len(batches) * BATCH_SIZE, len(chunks), BATCH_SIZE):
            part = chunks[first : first + BATCH_SIZE]
            batch, embedded = await self._batch(tenant_id, text, first, part, known)
            batches.append(batch)
            total += embedded
            about = source_id, run_id, len(batches)
            faults.passed(FaultPoint.INGEST_EMBEDDED, *about, embedded)
            if first + BATCH_SIZE < len(chunks):
                command = RecordEmbedded(
                    source_id=source_id,
                    run_id=run_id,
                    number=len(batches),
                    batch=batch,
                    embedded=embedded,
                )
                await tell(command, f"embedded {len(batches)} by {plan.recipe}")
                faults.passed(FaultPoint.INGEST_BATCH_TOLD, *about)
        return Prepared(
            revision=source.revision + 1,
            content_hash=plan.content_hash,
            recipe=plan.recipe,
            text_ref=plan.text_ref,
            title=plan.title,
            url=fetched.url,
            language=plan.language,
            characters=plan.characters,
            embedding_model=self.embedder.model,
            dimension=self.embedder.dimension,
            chunk_count=len(chunks),
            embedded_count=total,
            batches=tuple(batches),
            media_type=fetched.media_type,
            size=fetched.size,
            pages=plan.pages,
        )

    async def _batch(
        self, tenant_id: str, text: str, first: int, part: Sequence[Planned], known: Known
    ) -> tuple[Batch, int]:
        texts = [indexed_text(span.heading, text[span.start : span.end]) for span in part]
        embedded = await self._embed_new(texts, known.vectors)
        chunks = [
            PreparedChunk(
                ordinal=first + n,
                text=text[span.start : span.end],
                start=span.start,
                end=span.end,
                heading=span.heading,
                vector=known.vectors[text_hash(texts[n])],
                page=span.page,
                language=span.language,
            )
            for n, span in enumerate(part)
        ]
        ref = await self.blobs.put(tenant_id, write_batch(chunks))
        return Batch(ref=ref, count=len(chunks)), embedded

    async def _embed_new(self, texts: Sequence[str], known: dict[str, bytes]) -> int:
        """Put vectors of texts not yet known into `known`; return how many those were."""
        new = {text_hash(text): text for text in texts if text_hash(text) not in known}
        if new:
            vectors = await self.embedder.embed(list(new.values()))
            known.update(zip(new, vectors, strict=True))
        return len(new)


def content_hash(document: Extracted) -> str:
    return hashlib.sha256(document.text.encode()).hexdigest()
