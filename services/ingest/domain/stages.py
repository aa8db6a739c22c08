"""The stages of a run: what is behind it is not done again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.contracts.base import Message, Metadata
from shared.contracts.ingest import Prepared, SourceEvent, SourceFailed, SourceFetched
from shared.contracts.ingest_stages import (
    Batch,
    Plan,
    RecordChunked,
    RecordEmbedded,
    RecordWaiting,
    SourceChunked,
    SourceEmbedded,
    SourceExtracted,
    SourceWaiting,
)

LONGEST_WAIT = timedelta(days=1)
"""Nothing stays in `processing` for ever, whatever a provider says."""


class Run(Message):
    """An ingestion on its way, and what it has behind it."""

    run_id: str
    attempt: int = 0
    fetched: SourceFetched | None = None
    plan: Plan | None = None
    batches: tuple[Batch, ...] = ()
    """Of the plan, those that have their vectors."""
    embedded: int = 0
    """How many chunks of those had to be embedded."""
    prepared: Prepared | None = None
    waits: int = 0
    """How often a provider made it wait."""
    waits_since: datetime | None = None
    """Of those without a batch that was embedded between them, when the first began."""


def record_chunked(run: Run | None, command: RecordChunked) -> Sequence[SourceEvent]:
    """A plan by another recipe takes the place of one that was made before."""
    plan = command.plan
    if run is None or run.prepared is not None:
        return []
    if run.plan is not None and run.plan.recipe == plan.recipe:
        return []
    return [
        SourceExtracted(
            source_id=command.source_id,
            run_id=command.run_id,
            characters=plan.characters,
            pages=plan.pages,
            language=plan.language,
            seconds=command.read_seconds,
        ),
        SourceChunked(
            source_id=command.source_id,
            run_id=command.run_id,
            plan=plan,
            seconds=command.split_seconds,
        ),
    ]


def record_embedded(run: Run | None, command: RecordEmbedded) -> Sequence[SourceEvent]:
    """Batches are told one after the other, each once."""
    if run is None or run.plan is None or run.prepared is not None:
        return []
    if command.number != len(run.batches) + 1:
        return []
    return [
        SourceEmbedded(
            source_id=command.source_id,
            run_id=command.run_id,
            number=command.number,
            batch=command.batch,
            done=sum(batch.count for batch in run.batches) + command.batch.count,
            total=run.plan.chunk_count,
            embedded=command.embedded,
        )
    ]


def record_waiting(
    run: Run | None, command: RecordWaiting, meta: Metadata
) -> Sequence[SourceEvent]:
    """A run that has waited too long for nothing fails, and says what it waited for."""
    if run is None or run.prepared is not None:
        return []
    if run.waits_since is not None and meta.now - run.waits_since > LONGEST_WAIT:
        reason = f"The provider of the embedding model took nothing for a day: {command.reason}"
        return [SourceFailed(source_id=command.source_id, run_id=command.run_id, reason=reason)]
    return [SourceWaiting.model_validate(command.model_dump())]


def waiting(run: Run, since: datetime) -> Run:
    changes = {"waits": run.waits + 1, "waits_since": run.waits_since or since}
    return run.model_copy(update=changes)


def chunked(run: Run, plan: Plan) -> Run:
    return run.model_copy(update={"plan": plan, "batches": (), "embedded": 0})


def embedded(run: Run, event: SourceEmbedded) -> Run:
    batches = (*run.batches, event.batch)
    return run.model_copy(
        update={
            "batches": batches,
            "embedded": run.embedded + event.embedded,
            "waits_since": None,
        }
    )
