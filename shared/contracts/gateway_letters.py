"""Messages about work that was given up: that it is to be done once more, or let go."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Question
from shared.contracts.operations import DeadLetterRecorded

LetterStatus = Literal["given_up", "ordered", "failed", "replayed", "discarded"]
"""`ordered`: it is to be done once more. `failed`: it was tried, and given up again."""
Settled = Literal["replayed", "discarded"]
"""What became of letters about which there is nothing left to say."""


class LetterMessage(Keyed):
    aggregate: ClassVar[str] = "dead_letter"
    dead_letter_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.dead_letter_id


class ReplayDeadLetter(LetterMessage, Command):
    verb: ClassVar[str] = "replay"


class DiscardDeadLetter(LetterMessage, Command):
    verb: ClassVar[str] = "discard"


class RecordReplay(LetterMessage, Command):
    """The service whose letter it is has tried it once more."""

    verb: ClassVar[str] = "record_replay"
    failure: str | None = None
    """Why it failed again; None: it was done, or is on its way."""


class DeadLetterReplayOrdered(LetterMessage, Event):
    """Somebody wants it done once more; the service whose letter it is does so."""

    name: ClassVar[str] = "replay_ordered"
    service: str
    stream: str
    subject: str


class DeadLetterReplayed(LetterMessage, Event):
    """The reaction did its work, or the message is back where it came from."""

    name: ClassVar[str] = "replayed"


class DeadLetterReplayFailed(LetterMessage, Event):
    """It lies in the stream `DLQ` still."""

    name: ClassVar[str] = "replay_failed"
    reason: str


class DeadLetterDiscarded(LetterMessage, Event):
    """It will not be done; the service whose letter it is takes it away."""

    name: ClassVar[str] = "discarded"
    service: str
    stream: str
    subject: str


LetterCommand = ReplayDeadLetter | DiscardDeadLetter | RecordReplay
LetterOrdered = DeadLetterReplayOrdered | DeadLetterDiscarded
LetterEvent = DeadLetterRecorded | LetterOrdered | DeadLetterReplayed | DeadLetterReplayFailed


class LetterStates(Message):
    states: Mapping[str, LetterStatus]


class GetLetterStates(Question[LetterStates]):
    """How it stands with these dead letters of the tenant; those it has not are left out."""

    service: ClassVar[str] = "gateway"
    name: ClassVar[str] = "get_letter_states"
    ids: tuple[str, ...]


class SettledLetter(Message):
    """A dead letter, what became of it, and who ordered that."""

    id: str
    given_up: datetime
    service: str
    subject: str
    """Of the message that was given up."""
    status: Settled
    settled_at: datetime
    settled_by: str
    """The actor: `user/<id>`, `session/<id>` or `token/<id>`."""
    user_id: str | None
    """Whose session or token it was."""


class SettledLetters(Message):
    letters: tuple[SettledLetter, ...]


class ListSettledLetters(Question[SettledLetters]):
    """Dead letters of the tenant that ended so, the last settled first, 100 at most."""

    service: ClassVar[str] = "gateway"
    name: ClassVar[str] = "list_settled_letters"
    status: Settled
