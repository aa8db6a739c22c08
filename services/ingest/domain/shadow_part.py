"""What may happen to a source's part of a run's shadow index: it is made ready, once, or fails."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from services.ingest.domain.shadow import REASON_LIMIT
from shared.contracts.base import Message, Metadata
from shared.contracts.ingest_shadow_parts import (
    PartCommand,
    PartEvent,
    PartFailed,
    PartPrepared,
    RecordPartFailed,
    RecordPartPrepared,
)
from shared.kernel.decider import Decider


class Part(Message):
    """Neither, until an attempt has come to its end."""

    prepared: bool = False
    failed: bool = False


def decide(part: Part, command: PartCommand, _meta: Metadata) -> Sequence[PartEvent]:
    """What was made ready stays as it is: the run asks all its questions of the same passages."""
    if part.prepared:
        return []
    match command:
        case RecordPartPrepared():
            return [PartPrepared.model_validate(command.model_dump())]
        case RecordPartFailed(reason=reason):
            if part.failed:
                return []
            failed = PartFailed.model_validate(command.model_dump())
            return [failed.model_copy(update={"reason": reason[:REASON_LIMIT]})]


def evolve(part: Part, event: PartEvent) -> Part:
    """What `event` makes of `part`. Never raises."""
    match event:
        case PartPrepared():
            return Part(prepared=True)
        case PartFailed():
            return part.model_copy(update={"failed": True})


part_decider: Decider[Part, PartCommand, PartEvent] = Decider(
    aggregate="shadow_part",
    initial=Part(),
    state=TypeAdapter(Part),
    decide=decide,
    evolve=evolve,
)
