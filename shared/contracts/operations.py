"""What every service can tell about itself, and the facts about work that could not be done."""

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Event, Message, Outcome, Question


class ReadModelHealth(Message):
    name: str
    position: int
    lag: int
    """Events of the log that the read model has not seen yet."""


class ServiceHealth(Message):
    service: str
    status: Literal["ok", "degraded"]
    detail: str | None = None
    read_models: tuple[ReadModelHealth, ...] = ()
    parts: dict[str, str] = Field(default_factory=dict)
    """Backing parts this service alone knows, such as its vector engine: `ok` or what is wrong."""


class GetHealth(Question[ServiceHealth]):
    """Answered by every service, under its own name."""

    name: ClassVar[str] = "health"


class Position(Message):
    position: int


class AwaitPosition(Question[Position]):
    """Wait until a read model shows `position`, at most `seconds`; answers where it then is."""

    name: ClassVar[str] = "await_position"
    read_model: str
    position: int
    seconds: float = 2.0


class Rebuilt(Message):
    """What a rebuild did."""

    events: int
    seconds: float


class Rebuild(Question[Rebuilt]):
    """Make a read model anew from the log, beside the old one, and swap. Answered when done."""

    name: ClassVar[str] = "rebuild"
    read_model: str


class Repeated(Message):
    """A reaction did its work."""


class Repeat(Question[Repeated]):
    """Have a reaction do what it gave up, once more. Answered when it is done, or failed again."""

    name: ClassVar[str] = "repeat"
    letter: int
    """Place of the dead letter in the stream `DLQ`."""


class MaybeOutcome(Message):
    outcome: Outcome | None


class GetOutcome(Question[MaybeOutcome]):
    """What a command came to, as its owner remembers it."""

    name: ClassVar[str] = "get_outcome"
    command_id: str


class DeadLetterRecorded(Event):
    """A message was given up after its last attempt; it lies in the stream `DLQ`."""

    aggregate: ClassVar[str] = "dead_letter"
    name: ClassVar[str] = "recorded"
    dead_letter_id: str
    service: str
    stream: str
    subject: str
    attempts: int
    reason: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.dead_letter_id
