"""Messages about erasure: what a person, or a rule of the tenant, wants to be gone for good."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Page, PagedQuestion, Question

ErasureKind = Literal["chat", "visitor", "user", "retention"]
"""What is erased: one chat; all chats of a visitor; a user of the tenant; what is older than the
tenant keeps things.
"""
PARTICIPANTS = ("gateway", "ingest", "chat", "scheduler", "analytics", "webhooks")
"""Services that clear what they keep; an erasure ends when each of them has said so."""


LONGEST_DAYS = 3650


class ErasureMessage(Keyed):
    aggregate: ClassVar[str] = "erasure"
    erasure_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.erasure_id


class RequestErasure(ErasureMessage, Command):
    verb: ClassVar[str] = "request"
    kind: ErasureKind
    subject_id: str
    """Of the chat, the visitor or the user; of the tenant, for what has become too old."""
    before: datetime | None = None
    """Of what is too old: what last changed before that."""


class RecordErasureTold(ErasureMessage, Command):
    """Keys are destroyed, and every fact about what is erased is in the log."""

    verb: ClassVar[str] = "record_told"
    counts: Mapping[str, int] = Field(default_factory=dict)


class RecordErasurePart(ErasureMessage, Command):
    """A service has cleared what it keeps."""

    verb: ClassVar[str] = "record_part"
    service: str


class ErasureRequested(ErasureMessage, Event):
    name: ClassVar[str] = "requested"
    kind: ErasureKind
    subject_id: str
    before: datetime | None = None


class ErasureTold(ErasureMessage, Event):
    """Nothing of it can be read from the log any more. What services made of it goes next."""

    name: ClassVar[str] = "told"
    kind: ErasureKind
    subject_id: str
    counts: Mapping[str, int] = Field(default_factory=dict)
    """What was erased, by its kind."""


class ErasurePartDone(ErasureMessage, Event):
    name: ClassVar[str] = "part_done"
    service: str


class ErasureCompleted(ErasureMessage, Event):
    """Every service has cleared what it kept."""

    name: ClassVar[str] = "completed"
    kind: ErasureKind
    subject_id: str
    counts: Mapping[str, int] = Field(default_factory=dict)


ErasureCommand = RequestErasure | RecordErasureTold | RecordErasurePart
ErasureEvent = ErasureRequested | ErasureTold | ErasurePartDone | ErasureCompleted


class ErasureView(Message):
    """How far an erasure is; at its end a receipt."""

    id: str
    kind: ErasureKind
    subject_id: str
    before: datetime | None = None
    status: Literal["requested", "told", "completed"]
    parts: tuple[str, ...] = ()
    """Services that are done."""
    counts: Mapping[str, int] = Field(default_factory=dict)
    requested_at: datetime
    completed_at: datetime | None = None


class ErasureViews(Page):
    items: tuple[ErasureView, ...]


class GetErasure(Question[ErasureView]):
    service: ClassVar[str] = "gateway"
    name: ClassVar[str] = "get_erasure"
    erasure_id: str


class ListErasures(PagedQuestion[ErasureViews]):
    """Newest first."""

    service: ClassVar[str] = "gateway"
    name: ClassVar[str] = "list_erasures"


class RetentionMessage(Keyed):
    """How long a tenant keeps what people said."""

    aggregate: ClassVar[str] = "retention"
    tenant_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.tenant_id


class SetRetention(RetentionMessage, Command):
    verb: ClassVar[str] = "set"
    chats_days: int | None = Field(default=None, ge=1, le=LONGEST_DAYS)
    """None: until somebody erases them."""


class RetentionSet(RetentionMessage, Event):
    """Once a day what has become too old is erased from now on."""

    name: ClassVar[str] = "set"
    chats_days: int | None = None


RetentionCommand = SetRetention
RetentionEvent = RetentionSet


class RetentionView(Message):
    chats_days: int | None = None
    """Days after the last message of a chat."""


class GetRetention(Question[RetentionView]):
    service: ClassVar[str] = "gateway"
    name: ClassVar[str] = "get_retention"
