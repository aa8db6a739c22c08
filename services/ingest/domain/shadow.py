"""What may happen to the shadow of a source: its revision, made ready for another generation."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.ingest import Prepared
from shared.contracts.ingest_shadow import (
    RecordShadowChunked,
    RecordShadowEmbedded,
    RecordShadowFailed,
    RecordShadowPrepared,
    ShadowChunked,
    ShadowCommand,
    ShadowEmbedded,
    ShadowEvent,
    ShadowFailed,
    ShadowMessage,
    ShadowPrepared,
)
from shared.contracts.ingest_stages import Batch, Plan
from shared.kernel.decider import Decider

REASON_LIMIT = 2000
"""Characters of a reason that are kept."""


class Shadow(Message):
    """The newest shadow that was begun, and the newest that was made ready."""

    generation: int = 0
    revision: int = 0
    plan: Plan | None = None
    embedding_model: str = ""
    batches: tuple[Batch, ...] = ()
    """Of the plan, those that have their vectors."""
    embedded: int = 0
    """How many chunks of those had to be embedded."""
    prepared: Prepared | None = None

    def of(self, generation: int, revision: int) -> bool:
        """Whether this is what was begun last."""
        return (self.generation, self.revision) == (generation, revision)


def decide(shadow: Shadow, command: ShadowCommand, _meta: Metadata) -> Sequence[ShadowEvent]:
    """Results for what was superseded come too late, and change nothing."""
    match command:
        case RecordShadowChunked():
            return _chunked(shadow, command)
        case RecordShadowEmbedded():
            return _embedded(shadow, command)
        case RecordShadowPrepared():
            if not _on_its_way(shadow, command):
                return []
            return [ShadowPrepared.model_validate(command.model_dump())]
        case RecordShadowFailed(reason=reason):
            failed = ShadowFailed.model_validate(command.model_dump())
            return [failed.model_copy(update={"reason": reason[:REASON_LIMIT]})]


def _chunked(shadow: Shadow, command: RecordShadowChunked) -> Sequence[ShadowEvent]:
    if (command.generation, command.revision) < (shadow.generation, shadow.revision):
        return []
    if _on_its_way(shadow, command) and shadow.plan and shadow.plan.recipe == command.plan.recipe:
        return []
    return [ShadowChunked.model_validate(command.model_dump())]


def _embedded(shadow: Shadow, command: RecordShadowEmbedded) -> Sequence[ShadowEvent]:
    if not _on_its_way(shadow, command) or shadow.plan is None:
        return []
    if command.number != len(shadow.batches) + 1:
        return []
    return [
        ShadowEmbedded(
            source_id=command.source_id,
            generation=command.generation,
            revision=command.revision,
            number=command.number,
            batch=command.batch,
            done=sum(batch.count for batch in shadow.batches) + command.batch.count,
            total=shadow.plan.chunk_count,
            embedded=command.embedded,
        )
    ]


def _on_its_way(shadow: Shadow, message: ShadowMessage) -> bool:
    return shadow.of(message.generation, message.revision) and shadow.plan is not None


def evolve(shadow: Shadow, event: ShadowEvent) -> Shadow:
    """What `event` makes of `shadow`. Never raises."""
    match event:
        case ShadowChunked():
            begun = {
                "generation": event.generation,
                "revision": event.revision,
                "plan": event.plan,
                "embedding_model": event.embedding_model,
                "batches": (),
                "embedded": 0,
            }
            return shadow.model_copy(update=begun)
        case ShadowEmbedded():
            more = {
                "batches": (*shadow.batches, event.batch),
                "embedded": shadow.embedded + event.embedded,
            }
            return shadow.model_copy(update=more)
        case ShadowPrepared():
            done = {"plan": None, "batches": (), "embedded": 0, "prepared": event.prepared}
            return shadow.model_copy(update=done)
        case ShadowFailed():
            return shadow


shadow_decider: Decider[Shadow, ShadowCommand, ShadowEvent] = Decider(
    aggregate="shadow",
    initial=Shadow(),
    state=TypeAdapter(Shadow),
    decide=decide,
    evolve=evolve,
)
