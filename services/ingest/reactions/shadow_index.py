"""A bot's sources for the shadow indexes of a run, from their stored text: what answers, and what
is ingested meanwhile, knows nothing of it.
"""

from dataclasses import dataclass
from datetime import timedelta

from services.ingest.domain.shadow import Shadow
from services.ingest.domain.shadow_part import Part
from services.ingest.domain.source import Present
from services.ingest.ports import (
    BotIndexes,
    Documents,
    EmbeddingRefused,
    ShadowIndexes,
    Tick,
    Timers,
    Unreadable,
)
from services.ingest.reactions.choosing import ChooseSettings
from services.ingest.reactions.ingestion import Job
from services.ingest.reactions.preparation import Preparation
from services.ingest.reactions.reindex import (
    PAGE,
    AwaitShown,
    Current,
    DispatchJob,
    Execute,
    shown,
)
from services.ingest.reactions.stored import stored
from services.ingest.reactions.waiting import SHORTEST_SECONDS, Now
from shared.adapters.blobs import Blobs
from shared.contracts.base import Metadata, Recorded
from shared.contracts.chat_index import IndexSettings
from shared.contracts.chat_playground import RunStarted
from shared.contracts.ingest import Prepared, SourceIngested
from shared.contracts.ingest_shadow_parts import RecordPartFailed, RecordPartPrepared
from shared.contracts.ingest_stages import Batch
from shared.kernel.errors import Throttled
from shared.kernel.ids import derived_id

KIND = "shadow_index"


@dataclass(frozen=True)
class QueueShadowIndex:
    """A run with indexes of its own becomes a job per source of the bot."""

    bots: BotIndexes
    await_shown: AwaitShown
    dispatch: DispatchJob

    async def __call__(self, recorded: Recorded[RunStarted]) -> None:
        """Raise `Unavailable` while the read model does not show all sources yet."""
        plan, tenant_id, after = recorded.event.plan, recorded.tenant_id, ""
        if not plan.indexes:
            return
        await shown(self.await_shown, recorded.sequence)
        body = recorded.event.run_id.encode()
        while found := await self.bots.current_sources(tenant_id, plan.bot_profile_id, after, PAGE):
            for source_id in found:
                await self.dispatch("source", source_id, KIND, recorded.metadata, body)
            after = found[-1]


@dataclass(frozen=True)
class FollowWithShadows:
    """A source whose first revision was on its way when a run began has a part in it too.

    To be called when the read model shows the fact.
    """

    current: Current
    runs: ShadowIndexes
    dispatch: DispatchJob

    async def __call__(self, recorded: Recorded[SourceIngested]) -> None:
        tenant_id, source_id = recorded.tenant_id, recorded.event.source_id
        if recorded.event.revision == 0:
            return  # a remote knowledge API: nothing of it is indexed
        source = await self.current("source", tenant_id, source_id)
        if not isinstance(source, Present):
            return
        for run_id in await self.runs.of_bot(tenant_id, source.bot_profile_id):
            cause = caused_by(recorded.metadata, run_id)
            await self.dispatch("source", source_id, KIND, cause, run_id.encode())


@dataclass(frozen=True)
class GoOnWithShadow:
    """The provider may be asked again: the job is queued anew."""

    dispatch: DispatchJob

    async def __call__(self, tick: Tick) -> None:
        source_id, _, run_id = tick.body.decode().partition(" ")
        await self.dispatch("source", source_id, KIND, tick.metadata, run_id.encode())


@dataclass(frozen=True)
class CutForShadowIndexes:
    """One source for all indexes of a run; a part that is done is a fact, and not done again."""

    execute: Execute
    current: Current
    runs: ShadowIndexes
    choose: ChooseSettings
    documents: Documents
    blobs: Blobs
    timers: Timers
    now: Now

    async def __call__(self, job: Job) -> None:
        """Work one attempt. Raises `Unavailable` if it should be tried again."""
        tenant_id, run_id = job.metadata.tenant_id, job.body.decode()
        source = await self.current("source", tenant_id, job.aggregate_id)
        if not isinstance(source, Present) or source.serving is None:
            return  # deleted, or not yet there
        shadow = await self.current("shadow", tenant_id, job.aggregate_id)
        for index, settings in enumerate(await self.runs.settings(tenant_id, run_id)):
            try:
                await self._part(job, index, settings, source, source.serving, shadow)
            except (Unreadable, EmbeddingRefused) as failure:
                await self._fail(job, index, source, failure.reason)
                return
            except Throttled as refusal:
                await self._wait(job, run_id, refusal)
                return

    async def given_up(self, job: Job, reason: str) -> None:
        """After the last attempt the run says so, and ends."""
        source = await self.current("source", job.metadata.tenant_id, job.aggregate_id)
        if isinstance(source, Present):
            why = f"Cutting and embedding failed at every attempt: {reason}"
            await self._fail(job, 0, source, why)

    async def _part(
        self,
        job: Job,
        index: int,
        settings: IndexSettings,
        source: Present,
        serving: Prepared,
        shadow: Shadow,
    ) -> None:
        tenant_id, run_id = job.metadata.tenant_id, job.body.decode()
        mine = part_id(job, index)
        part = await self.current("shadow_part", tenant_id, mine)
        if not isinstance(part, Part) or part.prepared:
            return
        chosen = await self.choose.by(tenant_id, source.bot_profile_id, settings)
        preparation = Preparation(self.documents, self.blobs, chosen)
        known = await preparation.known(tenant_id, source, shadow)
        document = await stored(self.blobs, tenant_id, serving)
        plan, _ = await preparation.plan(tenant_id, source, document, known)
        about = (job.aggregate_id, f"run {run_id}/{index}")
        made = await preparation.embed(tenant_id, plan, (), 0, known, _untold, about=about)
        changes = {
            "recipe": plan.recipe,
            "embedding_model": chosen.embedder.model,
            "dimension": made.dimension,
            "chunk_count": plan.chunk_count,
            "embedded_count": made.embedded,
            "batches": made.batches,
            "generation": 0,
        }
        command = RecordPartPrepared(
            part_id=mine,
            run_id=run_id,
            index=index,
            source_id=job.aggregate_id,
            bot_profile_id=source.bot_profile_id,
            prepared=serving.model_copy(update=changes),
        )
        await self.execute(command, job.metadata, f"part {index} prepared")

    async def _fail(self, job: Job, index: int, source: Present, reason: str) -> None:
        command = RecordPartFailed(
            part_id=part_id(job, index),
            run_id=job.body.decode(),
            index=index,
            source_id=job.aggregate_id,
            bot_profile_id=source.bot_profile_id,
            reason=reason,
        )
        await self.execute(command, job.metadata, f"part failed {job.attempt}")

    async def _wait(self, job: Job, run_id: str, refusal: Throttled) -> None:
        """The job ends, and a timer queues it again: waiting is no attempt."""
        wait = max(refusal.retry_after or 0.0, SHORTEST_SECONDS)
        until = self.now() + timedelta(seconds=wait)
        cause = caused_by(job.metadata, until.isoformat())
        body = f"{job.aggregate_id} {run_id}".encode()
        timer_id = derived_id("shadow index", job.aggregate_id, run_id)
        await self.timers.set(KIND, timer_id, until, cause, body)


def part_id(job: Job, index: int) -> str:
    """Of the source's part of a run's index."""
    return derived_id("shadow part", job.body.decode(), str(index), job.aggregate_id)


def caused_by(cause: Metadata, besides: str) -> Metadata:
    """What follows from a fact more than once: each time it has an id of its own."""
    message_id = derived_id("shadow index", cause.message_id, besides)
    return cause.model_copy(update={"message_id": message_id})


async def _untold(_number: int, _batch: Batch, _embedded: int) -> None:
    """A part is told when it is whole."""
