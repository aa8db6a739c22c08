"""Messages of webhooks: endpoints that tenants register, and what is delivered to them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import (
    Command,
    Event,
    Keyed,
    Message,
    Page,
    PagedQuestion,
    Personal,
    Question,
)

DisabledReason = Literal["gone", "failing"]
DeliveryStatus = Literal["pending", "delivered", "failed"]
ResponseText = Annotated[str, Personal()]
"""What a receiver said; nobody knows what stands in it."""
TEST_TYPE = "test.ping"
"""Type of the delivery that an owner asks for to see whether an endpoint works."""


class WebhookSettings(Message):
    """What an owner can change about an endpoint."""

    url: str
    events: tuple[str, ...] = ()
    """Types of public events that are delivered."""
    description: str = ""
    is_active: bool = True


class WebhookMessage(Keyed):
    aggregate: ClassVar[str] = "webhook_endpoint"
    webhook_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.webhook_id


class CreateWebhook(WebhookMessage, Command):
    verb: ClassVar[str] = "create"
    settings: WebhookSettings
    secret_ref: str
    """Where in the vault the signing secret lies."""


class UpdateWebhook(WebhookMessage, Command):
    """Change the named fields of `WebhookSettings`, leave the others."""

    verb: ClassVar[str] = "update"
    changes: Mapping[str, Any]


class DeleteWebhook(WebhookMessage, Command):
    verb: ClassVar[str] = "delete"


class RotateSecret(WebhookMessage, Command):
    """Sign with another secret, and for `overlap_seconds` with the one before as well."""

    verb: ClassVar[str] = "rotate_secret"
    secret_ref: str
    overlap_seconds: int = Field(ge=0)


class RequestReplay(WebhookMessage, Command):
    """Deliver again what happened from `since` until before `until`."""

    verb: ClassVar[str] = "request_replay"
    since: datetime
    until: datetime


class NoteAttempt(WebhookMessage, Command):
    """What an attempt at a delivery tells about the endpoint."""

    verb: ClassVar[str] = "note_attempt"
    delivered: bool
    gone: bool = False
    """The receiver said that it wants nothing any more: status 410."""


class WebhookCreated(WebhookMessage, Event):
    name: ClassVar[str] = "created"
    settings: WebhookSettings
    secret_ref: str


class WebhookUpdated(WebhookMessage, Event):
    """The settings as they are from now on."""

    name: ClassVar[str] = "updated"
    settings: WebhookSettings


class WebhookDeleted(WebhookMessage, Event):
    name: ClassVar[str] = "deleted"
    secret_refs: tuple[str, ...]
    """Nobody needs these any more."""


class SecretRotated(WebhookMessage, Event):
    name: ClassVar[str] = "secret_rotated"
    secret_ref: str
    previous_ref: str
    previous_until: datetime
    dropped_ref: str | None = None
    """The secret before the previous one, if it was still kept."""


class ReplayRequested(WebhookMessage, Event):
    name: ClassVar[str] = "replay_requested"
    since: datetime
    until: datetime


class WebhookFaltered(WebhookMessage, Event):
    """An attempt failed, the first one for a day."""

    name: ClassVar[str] = "faltered"
    at: datetime


class WebhookFailing(WebhookMessage, Event):
    """A second attempt failed within a day: from now on it counts how long that lasts."""

    name: ClassVar[str] = "failing"
    since: datetime


class WebhookRecovered(WebhookMessage, Event):
    """A delivery arrived after failures."""

    name: ClassVar[str] = "recovered"


class WebhookDisabled(WebhookMessage, Event):
    """Nothing is delivered any more until an owner switches the endpoint on again."""

    name: ClassVar[str] = "disabled"
    reason: DisabledReason
    failing_since: datetime | None = None


WebhookCommand = (
    CreateWebhook | UpdateWebhook | DeleteWebhook | RotateSecret | RequestReplay | NoteAttempt
)
WebhookEvent = (
    WebhookCreated
    | WebhookUpdated
    | WebhookDeleted
    | SecretRotated
    | ReplayRequested
    | WebhookFaltered
    | WebhookFailing
    | WebhookRecovered
    | WebhookDisabled
)


class DeliveryMessage(Keyed):
    """One public event on its way to one endpoint."""

    aggregate: ClassVar[str] = "delivery"
    delivery_id: str
    webhook_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.delivery_id

    @property
    @override
    def data_subject(self) -> str:
        return f"webhook/{self.webhook_id}"


class Attempted(Message):
    """What came of one attempt."""

    attempt: int
    """Counts from 1 over the whole life of a delivery."""
    url: str
    status_code: int | None = None
    """None: no answer came."""
    error: str | None = None
    """Why no answer came, for people."""
    duration_ms: float


class ScheduleDelivery(DeliveryMessage, Command):
    verb: ClassVar[str] = "schedule"
    message_id: str
    """The `webhook-id` of every attempt: the id of the event."""
    event_type: str
    occurred_at: datetime
    position: int
    """Of the event in the log: what the order of an endpoint's deliveries follows."""
    body: str
    """The request body, byte for byte the same at every attempt."""
    test: bool = False
    """A ping: tried once, outside of the order."""


class RecordAttempt(DeliveryMessage, Command):
    verb: ClassVar[str] = "record_attempt"
    attempted: Attempted
    response: ResponseText = ""
    retry_after: float | None = None
    """Seconds the receiver asked for."""
    jitter: float = Field(default=0.0, ge=-1, le=1)
    """Random; stretches or shortens the wait before the next attempt."""
    pace: float = 1.0
    """Factor of all waits, as the operator set it."""


class RequestRedelivery(DeliveryMessage, Command):
    """Send it again, with the same id and bytes, whatever came of it before."""

    verb: ClassVar[str] = "request_redelivery"


class DeliveryScheduled(DeliveryMessage, Event):
    name: ClassVar[str] = "scheduled"
    message_id: str
    event_type: str
    occurred_at: datetime
    position: int
    body: str
    test: bool = False


class DeliverySucceeded(DeliveryMessage, Event):
    name: ClassVar[str] = "succeeded"
    attempted: Attempted
    response: ResponseText = ""


class DeliveryAttemptFailed(DeliveryMessage, Event):
    name: ClassVar[str] = "attempt_failed"
    attempted: Attempted
    response: ResponseText = ""
    due_at: datetime | None
    """When the next attempt is due; None: it is given up."""
    parked: bool = False
    """The receiver refuses this one, so those behind it need not wait for it."""


class RedeliveryRequested(DeliveryMessage, Event):
    name: ClassVar[str] = "redelivery_requested"


DeliveryCommand = ScheduleDelivery | RecordAttempt | RequestRedelivery
DeliveryEvent = DeliveryScheduled | DeliverySucceeded | DeliveryAttemptFailed | RedeliveryRequested


class WebhookView(Message):
    id: str
    tenant_id: str
    url: str
    events: tuple[str, ...]
    is_active: bool
    description: str
    secret_ref: str
    previous_secret_until: datetime | None = None
    """Until when deliveries are signed with the secret before as well."""
    disabled_reason: DisabledReason | None = None
    failing_since: datetime | None = None
    created_at: datetime
    updated_at: datetime


class WebhookViews(Page):
    items: tuple[WebhookView, ...]


class GetWebhook(Question[WebhookView]):
    service: ClassVar[str] = "webhooks"
    name: ClassVar[str] = "get_webhook"
    webhook_id: str


class ListWebhooks(PagedQuestion[WebhookViews]):
    """All endpoints of the tenant, newest first."""

    service: ClassVar[str] = "webhooks"
    name: ClassVar[str] = "list_webhooks"


class AttemptView(Message):
    attempt: int
    at: datetime
    url: str
    status_code: int | None
    error: str | None
    duration_ms: float
    response: str


class DeliveryView(Message):
    id: str
    webhook_id: str
    message_id: str
    event_type: str
    status: DeliveryStatus
    attempt_count: int
    last_status_code: int | None = None
    last_error: str | None = None
    next_attempt_at: datetime | None = None
    body: str
    occurred_at: datetime
    created_at: datetime
    attempts: tuple[AttemptView, ...] = ()
    """Every one, oldest first; only in the answer to a question about one delivery."""


class DeliveryViews(Page):
    items: tuple[DeliveryView, ...]


class GetDelivery(Question[DeliveryView]):
    service: ClassVar[str] = "webhooks"
    name: ClassVar[str] = "get_delivery"
    webhook_id: str
    delivery_id: str


class ListDeliveries(PagedQuestion[DeliveryViews]):
    """Deliveries to one endpoint, newest first."""

    service: ClassVar[str] = "webhooks"
    name: ClassVar[str] = "list_deliveries"
    webhook_id: str
    status: DeliveryStatus | None = None
    event_type: str | None = None


class TestResult(Message):
    success: bool
    status_code: int | None = None


class SendTest(Question[TestResult]):
    """Send a ping now and tell what came of it. The same `delivery_id` sends one ping."""

    service: ClassVar[str] = "webhooks"
    name: ClassVar[str] = "send_test"
    webhook_id: str
    delivery_id: str
