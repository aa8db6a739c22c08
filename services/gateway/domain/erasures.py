"""What may happen to an erasure: it is told first, then every service clears what it keeps."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.gateway_erasure import (
    PARTICIPANTS,
    ErasureCommand,
    ErasureCompleted,
    ErasureEvent,
    ErasureKind,
    ErasurePartDone,
    ErasureRequested,
    ErasureTold,
    RecordErasurePart,
    RecordErasureTold,
    RequestErasure,
)
from shared.kernel.decider import Decider


class NoErasure(Message):
    kind: Literal["absent"] = "absent"


class Erasure(Message):
    kind: Literal["present"] = "present"
    what: ErasureKind
    subject_id: str
    audit_before: datetime | None = None
    deliveries_before: datetime | None = None
    told: bool = False
    done: tuple[str, ...] = ()
    counts: Mapping[str, int] = Field(default_factory=dict)
    completed: bool = False


ErasureState = NoErasure | Erasure


def decide(
    erasure: ErasureState, command: ErasureCommand, _meta: Metadata
) -> Sequence[ErasureEvent]:
    """Each step once, however often it is reported. Never refuses."""
    if isinstance(command, RequestErasure):
        if isinstance(erasure, Erasure):
            return []
        return [
            ErasureRequested(
                erasure_id=command.erasure_id,
                kind=command.kind,
                subject_id=command.subject_id,
                before=command.before,
                audit_before=command.audit_before,
                deliveries_before=command.deliveries_before,
            )
        ]
    if isinstance(erasure, NoErasure):
        return []
    match command:
        case RecordErasureTold(erasure_id=erasure_id, counts=counts):
            if erasure.told:
                return []
            return [
                ErasureTold(
                    erasure_id=erasure_id,
                    kind=erasure.what,
                    subject_id=erasure.subject_id,
                    counts=counts,
                    audit_before=erasure.audit_before,
                    deliveries_before=erasure.deliveries_before,
                )
            ]
        case RecordErasurePart():
            return _part(erasure, command)


def _part(erasure: Erasure, command: RecordErasurePart) -> Sequence[ErasureEvent]:
    if not erasure.told or command.service in erasure.done:
        return []
    part = ErasurePartDone(erasure_id=command.erasure_id, service=command.service)
    if {*PARTICIPANTS} - {*erasure.done, command.service}:
        return [part]
    completed = ErasureCompleted(
        erasure_id=command.erasure_id,
        kind=erasure.what,
        subject_id=erasure.subject_id,
        counts=erasure.counts,
    )
    return [part, completed]


def evolve(erasure: ErasureState, event: ErasureEvent) -> ErasureState:
    """Never raises."""
    if isinstance(event, ErasureRequested):
        return Erasure(
            what=event.kind,
            subject_id=event.subject_id,
            audit_before=event.audit_before,
            deliveries_before=event.deliveries_before,
        )
    if isinstance(erasure, NoErasure):
        return erasure
    match event:
        case ErasureTold(counts=counts):
            return erasure.model_copy(update={"told": True, "counts": counts})
        case ErasurePartDone(service=service):
            return erasure.model_copy(update={"done": (*erasure.done, service)})
        case ErasureCompleted():
            return erasure.model_copy(update={"completed": True})


erasure_decider: Decider[ErasureState, ErasureCommand, ErasureEvent] = Decider(
    aggregate="erasure",
    initial=NoErasure(),
    state=TypeAdapter(Annotated[ErasureState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
