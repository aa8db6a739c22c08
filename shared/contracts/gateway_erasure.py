"""Messages about erasure: what a person, or a rule of the tenant, wants to be gone for good."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Page, PagedQuestion, Question

ErasureKind = Literal["chat", "visitor", "user", "retention", "tenant"]
"""What is erased: one chat; all chats of a visitor; a user of the tenant; what is older than the
tenant keeps things; the tenant with everything.
"""
PARTICIPANTS = ("gateway", "ingest", "chat", "scheduler", "analytics", "webhooks")
"""Services that clear what they keep; an erasure ends when each of them has said so."""
LONGEST_DAYS = 3650
FEWEST_DELIVERY_DAYS = 7
"""Before that a delivery may still be tried."""


class ErasureMessage(Keyed):
    aggregate: ClassVar[str] = "erasure"
    in_clear: ClassVar[bool] = True
    erasure_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.erasure_id


class RequestErasure(ErasureMessage, Command):
    """That of a whole tenant has the id of the tenant, so that there is one, whoever orders it."""

    verb: ClassVar[str] = "request"
    kind: ErasureKind
    subject_id: str
    """Of the chat, the visitor or the user; of the tenant, for it and for what is too old."""
    before: datetime | None = None
    """Of chats that are too old: those that last changed before that."""
    audit_before: datetime | None = None
    """Of entries of the audit log that are too old: those from before that."""
    deliveries_before: datetime | None = None
    """Of deliveries of webhooks that are too old: those that were made before that."""


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
    audit_before: datetime | None = None
    deliveries_before: datetime | None = None


class ErasureTold(ErasureMessage, Event):
    """Nothing of it can be read from the log any more. What services made of it goes next.

    With a whole tenant everything of the tenant goes from every read model at this fact.
    """

    name: ClassVar[str] = "told"
    kind: ErasureKind
    subject_id: str
    counts: Mapping[str, int] = Field(default_factory=dict)
    """What was erased, by its kind."""
    audit_before: datetime | None = None
    deliveries_before: datetime | None = None


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
    audit_days: int | None = Field(default=None, ge=1, le=LONGEST_DAYS)
    deliveries_days: int | None = Field(default=None, ge=FEWEST_DELIVERY_DAYS, le=LONGEST_DAYS)


class RetentionSet(RetentionMessage, Event):
    """Once a day what has become too old is erased from now on."""

    name: ClassVar[str] = "set"
    chats_days: int | None = None
    audit_days: int | None = None
    deliveries_days: int | None = None

    @property
    def limited(self) -> bool:
        """Whether anything is kept for a time only."""
        return (self.chats_days, self.audit_days, self.deliveries_days) != (None, None, None)


RetentionCommand = SetRetention
RetentionEvent = RetentionSet


class RetentionView(Message):
    chats_days: int | None = None
    """Days after the last message of a chat."""
    audit_days: int | None = None
    """Days for which the audit log shows an entry."""
    deliveries_days: int | None = None
    """Days for which a delivery of a webhook is shown, with what was sent and answered."""


class GetRetention(Question[RetentionView]):
    service: ClassVar[str] = "gateway"
    name: ClassVar[str] = "get_retention"
