"""From a document that was read to a revision that can be indexed, stage by stage."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from services.ingest.domain.shadow import Shadow
from services.ingest.domain.source import Present
from services.ingest.ports import Chosen, Documents, Extracted, Unreadable
from services.ingest.reactions.ahead import embedded as embedded_ahead
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
from shared.contracts.ingest import Prepared
from shared.contracts.ingest_stages import Batch, Plan
from shared.kernel import faults
from shared.kernel.faults import FaultPoint

TellBatch = Callable[[int, Batch, int], Awaitable[None]]
"""Record that a batch has its vectors: its number, itself, how many chunks were embedded."""


@dataclass(frozen=True)
class Known:
    """What was embedded before, so that no text is paid for twice."""

    vectors: dict[str, bytes]
    """By the hash of the indexed text."""
    texts: Sequence[str]
    """Of the chunks of the revision before, in order."""


@dataclass(frozen=True)
class Embedded:
    """All chunks of a plan, with their vectors."""

    batches: tuple[Batch, ...]
    embedded: int
    """How many chunks had to be embedded."""
    dimension: int


def answering(source: Present, shadow: Shadow, generation: int) -> Prepared | None:
    """How the revision that answers was prepared for this generation; else how it came in."""
    made, serving = shadow.prepared, source.serving
    if made is None or serving is None:
        return serving
    return made if (made.revision, made.generation) == (serving.revision, generation) else serving


@dataclass(frozen=True)
class Preparation:
    """Cut and embed as the bot's settings say."""

    documents: Documents
    blobs: Blobs
    chosen: Chosen

    @property
    def common_recipe(self) -> str:
        """What, besides the text, decides how chunks and vectors come out."""
        chosen = self.chosen
        return f"1/{chosen.embedder.model}/{chosen.max_chars}/{chosen.overlap}"

    def recipe(self, source: Present) -> str:
        """The same for a source whose language may be set."""
        language = source.settings.language
        return f"{self.common_recipe}/{language}" if language else self.common_recipe

    async def known(self, tenant_id: str, source: Present, shadow: Shadow) -> Known:
        """Vectors of the model from wherever there are some, and the chunks to keep."""
        model = self.chosen.embedder.model
        vectors: dict[str, bytes] = {}
        texts: list[str] = []
        for before in (shadow.prepared, source.known):
            if before is None or before.embedding_model != model:
                continue
            chunks = await self._chunks(tenant_id, before.batches, vectors)
            if not texts and f"{before.recipe}/".startswith(f"{self.common_recipe}/"):
                texts = chunks
        if shadow.embedding_model == model:
            await self._chunks(tenant_id, shadow.batches, vectors)
        return Known(vectors, texts)

    async def _chunks(
        self, tenant_id: str, batches: Sequence[Batch], vectors: dict[str, bytes]
    ) -> list[str]:
        """Texts of the chunks; their vectors go into `vectors`."""
        texts = []
        for batch in batches:
            for chunk in read_batch(await self.blobs.get(tenant_id, batch.ref)):
                vectors[text_hash(chunk.indexed_text)] = chunk.vector
                texts.append(chunk.text)
        return texts

    async def plan(
        self, tenant_id: str, source: Present, document: Extracted, known: Known
    ) -> tuple[Plan, float]:
        """Cut the document; return how many seconds that took, too.

        Raises `Unreadable` if nothing comes of it.
        """
        started = time.perf_counter()
        spans = await self.documents.split(
            document,
            max_chars=self.chosen.max_chars,
            overlap=self.chosen.overlap,
            before=known.texts,
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
        return plan, time.perf_counter() - started

    async def embed(
        self,
        tenant_id: str,
        plan: Plan,
        done: Sequence[Batch],
        embedded: int,
        known: Known,
        tell: TellBatch,
        *,
        about: tuple[str, str],
    ) -> Embedded:
        """Embed what has no vector yet, in batches; all but the last are told one by one.

        `done` are the batches of an attempt before this one, `embedded` what they took; `about`
        says whose work it is, and which run of it.
        """
        text = (await self.blobs.get(tenant_id, plan.text_ref)).decode()
        chunks = read_plan(await self.blobs.get(tenant_id, plan.spans_ref))
        batches = list(done)
        starts = range(len(batches) * BATCH_SIZE, len(chunks), BATCH_SIZE)
        parts = ([_indexed(text, one) for one in _part(chunks, first)] for first in starts)
        counts = embedded_ahead(self.chosen.embedder, parts, known.vectors)
        async with aclosing(counts):
            for first in starts:
                count = await anext(counts)
                batch = await self._batch(tenant_id, text, first, _part(chunks, first), known)
                batches.append(batch)
                embedded += count
                place = (*about, len(batches))
                faults.passed(FaultPoint.INGEST_EMBEDDED, *place, count)
                if first + BATCH_SIZE < len(chunks):
                    await tell(len(batches), batch, count)
                    faults.passed(FaultPoint.INGEST_BATCH_TOLD, *place)
        last = read_batch(await self.blobs.get(tenant_id, batches[-1].ref))
        return Embedded(tuple(batches), embedded, len(last[0].vector) // 4)

    async def _batch(
        self, tenant_id: str, text: str, first: int, part: Sequence[Planned], known: Known
    ) -> Batch:
        chunks = [
            PreparedChunk(
                ordinal=first + n,
                text=text[span.start : span.end],
                start=span.start,
                end=span.end,
                heading=span.heading,
                vector=known.vectors[text_hash(_indexed(text, span))],
                page=span.page,
                language=span.language,
            )
            for n, span in enumerate(part)
        ]
        ref = await self.blobs.put(tenant_id, write_batch(chunks))
        return Batch(ref=ref, count=len(chunks))


def _part(chunks: Sequence[Planned], first: int) -> Sequence[Planned]:
    return chunks[first : first + BATCH_SIZE]


def _indexed(text: str, span: Planned) -> str:
    return indexed_text(span.heading, text[span.start : span.end])


def content_hash(document: Extracted) -> str:
    return hashlib.sha256(document.text.encode()).hexdigest()
