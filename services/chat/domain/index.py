"""What may happen to the index of one source."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.chat import (
    IndexBuilt,
    IndexFailed,
    RecordIndexBuilt,
    RecordIndexFailed,
    RetrievalIndexCommand,
    RetrievalIndexEvent,
)
from shared.kernel.decider import Decider


class SourceIndex(Message):
    """The newest revision that was tried."""

    revision: int = 0


def decide(
    index: SourceIndex, command: RetrievalIndexCommand, _meta: Metadata
) -> Sequence[RetrievalIndexEvent]:
    """A revision is told once, and an older one no more."""
    if command.revision <= index.revision:
        return []
    match command:
        case RecordIndexBuilt():
            return [IndexBuilt.model_validate(command.model_dump())]
        case RecordIndexFailed():
            return [IndexFailed.model_validate(command.model_dump())]


def evolve(_index: SourceIndex, event: RetrievalIndexEvent) -> SourceIndex:
    return SourceIndex(revision=event.revision)


index_decider: Decider[SourceIndex, RetrievalIndexCommand, RetrievalIndexEvent] = Decider(
    aggregate="retrieval_index",
    initial=SourceIndex(),
    state=TypeAdapter(SourceIndex),
    decide=decide,
    evolve=evolve,
)
