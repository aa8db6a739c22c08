"""What may happen to work that was given up: done once more, or let go."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.gateway_letters import (
    DeadLetterDiscarded,
    DeadLetterReplayed,
    DeadLetterReplayFailed,
    DeadLetterReplayOrdered,
    DiscardDeadLetter,
    LetterCommand,
    LetterEvent,
    LetterStatus,
    RecordReplay,
    ReplayDeadLetter,
)
from shared.contracts.operations import DeadLetterRecorded
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound

WAITING = ("given_up", "failed")
"""Letters about which somebody may still say what becomes of them."""
BECOMES: Mapping[type[LetterEvent], LetterStatus] = {
    DeadLetterReplayOrdered: "ordered",
    DeadLetterReplayed: "replayed",
    DeadLetterReplayFailed: "failed",
    DeadLetterDiscarded: "discarded",
}


class NoLetter(Message):
    kind: Literal["absent"] = "absent"


class Letter(Message):
    kind: Literal["present"] = "present"
    service: str
    stream: str
    subject: str
    status: LetterStatus = "given_up"


LetterState = NoLetter | Letter


def decide(letter: LetterState, command: LetterCommand, _meta: Metadata) -> Sequence[LetterEvent]:
    """Each order once, however often it is given. Raises `NotFound` or `Conflict`."""
    if isinstance(letter, NoLetter):
        raise NotFound("Dead letter not found")
    place = letter.model_dump(include={"service", "stream", "subject"})
    match command:
        case ReplayDeadLetter(dead_letter_id=letter_id):
            if letter.status == "discarded":
                raise Conflict("The dead letter was discarded")
            if letter.status not in WAITING:
                return []
            return [DeadLetterReplayOrdered(dead_letter_id=letter_id, **place)]
        case DiscardDeadLetter(dead_letter_id=letter_id):
            if letter.status in ("ordered", "replayed"):
                raise Conflict("The dead letter is being done once more")
            if letter.status == "discarded":
                return []
            return [DeadLetterDiscarded(dead_letter_id=letter_id, **place)]
        case RecordReplay(dead_letter_id=letter_id, failure=failure):
            if letter.status != "ordered":
                return []
            if failure is None:
                return [DeadLetterReplayed(dead_letter_id=letter_id)]
            return [DeadLetterReplayFailed(dead_letter_id=letter_id, reason=failure)]


def evolve(letter: LetterState, event: LetterEvent) -> LetterState:
    """Never raises."""
    if isinstance(event, DeadLetterRecorded):
        return Letter(service=event.service, stream=event.stream, subject=event.subject)
    if isinstance(letter, NoLetter):
        return letter
    return letter.model_copy(update={"status": BECOMES[type(event)]})


letter_decider: Decider[LetterState, LetterCommand, LetterEvent] = Decider(
    aggregate="dead_letter",
    initial=NoLetter(),
    state=TypeAdapter(Annotated[LetterState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
