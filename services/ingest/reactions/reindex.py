"""A bot's sources for another generation of its index, from their stored text: nothing is fetched
and nothing extracted, and what answers goes on answering.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.ingest.domain.shadow import Shadow
from services.ingest.domain.source import Present
from services.ingest.ports import (
    BotIndexes,
    Documents,
    EmbeddingRefused,
    Tick,
    Timers,
    Unreadable,
)
from services.ingest.reactions.choosing import ChooseSettings
from services.ingest.reactions.ingestion import Job
from services.ingest.reactions.preparation import Known, Preparation
from services.ingest.reactions.stored import stored
from services.ingest.reactions.waiting import SHORTEST_SECONDS, Now
from shared.adapters.blobs import Blobs
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat_index import ReindexStarted
from shared.contracts.ingest import Prepared, SourceIngested
from shared.contracts.ingest_shadow import (
    RecordShadowChunked,
    RecordShadowEmbedded,
    RecordShadowFailed,
    RecordShadowPrepared,
)
from shared.contracts.ingest_stages import Batch, Plan
from shared.kernel.errors import Throttled, Unavailable
from shared.kernel.ids import derived_id

SHOWN_SECONDS = 30.0
PAGE = 500
"""Sources that are listed at a time."""
KIND = "reindex"

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
AwaitShown = Callable[[int, float], Awaitable[int]]
DispatchJob = Callable[[str, str, str, Metadata, bytes], Awaitable[None]]


@dataclass(frozen=True)
class QueueReindex:
    """A generation that was begun becomes a job per source of the bot."""

    bots: BotIndexes
    await_shown: AwaitShown
    dispatch: DispatchJob

    async def __call__(self, recorded: Recorded[ReindexStarted]) -> None:
        """Raise `Unavailable` while the read model does not show all sources yet."""
        event, tenant_id, after = recorded.event, recorded.tenant_id, ""
        await shown(self.await_shown, recorded.sequence)
        body = str(event.generation).encode()
        while found := await self.bots.current_sources(
            tenant_id, event.bot_profile_id, after, PAGE
        ):
            for source_id in found:
                await self.dispatch("source", source_id, KIND, recorded.metadata, body)
            after = found[-1]


@dataclass(frozen=True)
class FollowIngestion:
    """A revision that came meanwhile, or by settings that were just replaced, becomes a job too."""

    current: Current
    bots: BotIndexes
    await_shown: AwaitShown
    dispatch: DispatchJob

    async def __call__(self, recorded: Recorded[SourceIngested]) -> None:
        """Raise `Unavailable` while the read model is not there yet."""
        tenant_id, source_id = recorded.tenant_id, recorded.event.source_id
        if recorded.event.revision == 0:
            return  # a remote knowledge API: nothing of it is indexed
        await shown(self.await_shown, recorded.sequence)
        source = await self.current("source", tenant_id, source_id)
        if not isinstance(source, Present) or source.serving is None:
            return
        bot = await self.bots.bot(tenant_id, source.bot_profile_id)
        wanted = bot.generation if bot.building is None else bot.building
        if source.serving.generation != wanted:
            body = str(wanted).encode()
            await self.dispatch("source", source_id, KIND, recorded.metadata, body)


@dataclass(frozen=True)
class GoOnReindexing:
    """The provider may be asked again: the job is queued anew."""

    dispatch: DispatchJob

    async def __call__(self, tick: Tick) -> None:
        await self.dispatch("source", tick.timer_id, KIND, tick.metadata, tick.body)


@dataclass(frozen=True)
class ReindexSource:
    """One source for one generation; every batch that is done is a fact, and not done again."""

    execute: Execute
    current: Current
    choose: ChooseSettings
    documents: Documents
    blobs: Blobs
    timers: Timers
    now: Now

    async def __call__(self, job: Job) -> None:
        """Work one attempt. Raises `Unavailable` if it should be tried again."""
        tenant_id, generation = job.metadata.tenant_id, int(job.body)
        source = await self.current("source", tenant_id, job.aggregate_id)
        if not isinstance(source, Present) or source.serving is None:
            return  # deleted, or not yet there
        shadow = await self.current("shadow", tenant_id, job.aggregate_id)
        if source.serving.generation == generation or _is_ready(shadow, source, generation):
            return
        try:
            chosen = await self.choose.of(tenant_id, source.bot_profile_id, generation)
            if chosen is None:
                return  # superseded
            preparation = Preparation(self.documents, self.blobs, chosen)
            await self._prepare(job, preparation, source, source.serving, shadow)
        except (Unreadable, EmbeddingRefused) as failure:
            await self._fail(job, source, failure.reason)
        except Throttled as refusal:
            await self._wait(job, refusal)

    async def _wait(self, job: Job, refusal: Throttled) -> None:
        """The job ends, and a timer queues it again: waiting is no attempt."""
        wait = max(refusal.retry_after or 0.0, SHORTEST_SECONDS)
        until = self.now() + timedelta(seconds=wait)
        message_id = derived_id("wait", job.metadata.message_id, until.isoformat())
        because = job.metadata.model_copy(update={"message_id": message_id})
        await self.timers.set(KIND, job.aggregate_id, until, because, job.body)

    async def given_up(self, job: Job, reason: str) -> None:
        """After the last attempt the bot says so; what answers goes on answering."""
        source = await self.current("source", job.metadata.tenant_id, job.aggregate_id)
        if isinstance(source, Present) and source.serving is not None:
            await self._fail(job, source, f"Re-indexing failed at every attempt: {reason}")

    async def _prepare(
        self,
        job: Job,
        preparation: Preparation,
        source: Present,
        serving: Prepared,
        shadow: Shadow,
    ) -> None:
        tenant_id, generation = job.metadata.tenant_id, preparation.chosen.generation
        known = await preparation.known(tenant_id, source, shadow)
        plan = shadow.plan if shadow.of(generation, serving.revision) else None
        fresh = plan is None or plan.recipe != preparation.recipe(source)
        if plan is None or fresh:
            plan = await self._plan(job, preparation, source, serving, known)
        done = () if fresh else shadow.batches
        before = 0 if fresh else shadow.embedded

        async def tell(number: int, batch: Batch, embedded: int) -> None:
            command = RecordShadowEmbedded(
                source_id=job.aggregate_id,
                generation=generation,
                revision=serving.revision,
                number=number,
                batch=batch,
                embedded=embedded,
            )
            await self.execute(
                command, job.metadata, f"shadow {serving.revision}/{number} by {plan.recipe}"
            )

        about = (job.aggregate_id, f"generation {generation}")
        made = await preparation.embed(tenant_id, plan, done, before, known, tell, about=about)
        changes = {
            "recipe": plan.recipe,
            "embedding_model": preparation.chosen.embedder.model,
            "dimension": made.dimension,
            "chunk_count": plan.chunk_count,
            "embedded_count": made.embedded,
            "batches": made.batches,
            "generation": generation,
        }
        command = RecordShadowPrepared(
            source_id=job.aggregate_id,
            generation=generation,
            revision=serving.revision,
            bot_profile_id=source.bot_profile_id,
            prepared=serving.model_copy(update=changes),
        )
        await self.execute(command, job.metadata, f"shadow {serving.revision} prepared")

    async def _plan(
        self,
        job: Job,
        preparation: Preparation,
        source: Present,
        serving: Prepared,
        known: Known,
    ) -> Plan:
        tenant_id = job.metadata.tenant_id
        document = await stored(self.blobs, tenant_id, serving)
        plan, _ = await preparation.plan(tenant_id, source, document, known)
        command = RecordShadowChunked(
            source_id=job.aggregate_id,
            generation=preparation.chosen.generation,
            revision=serving.revision,
            plan=plan,
            embedding_model=preparation.chosen.embedder.model,
        )
        await self.execute(
            command, job.metadata, f"shadow {serving.revision} chunked by {plan.recipe}"
        )
        return plan

    async def _fail(self, job: Job, source: Present, reason: str) -> None:
        command = RecordShadowFailed(
            source_id=job.aggregate_id,
            generation=int(job.body),
            revision=source.serving.revision if source.serving else 1,
            bot_profile_id=source.bot_profile_id,
            reason=reason,
        )
        await self.execute(command, job.metadata, f"shadow failed {job.attempt}")


def _is_ready(shadow: Shadow, source: Present, generation: int) -> bool:
    made, serving = shadow.prepared, source.serving
    if made is None or serving is None:
        return False
    return (made.generation, made.revision) == (generation, serving.revision)


async def shown(await_shown: AwaitShown, sequence: int) -> None:
    """Raise `Unavailable` unless the read model comes to show a position."""
    if await await_shown(sequence, SHOWN_SECONDS) < sequence:
        raise Unavailable("the sources are not shown yet")
