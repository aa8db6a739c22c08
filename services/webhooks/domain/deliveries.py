"""What may happen to a delivery: tried until it arrives or the schedule ends, and again on order.

The schedule is that of the Standard Webhooks specification: ten attempts over about three days.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.webhooks import (
    DeliveryAttemptFailed,
    DeliveryCommand,
    DeliveryEvent,
    DeliveryScheduled,
    DeliveryStatus,
    DeliverySucceeded,
    RecordAttempt,
    RedeliveryRequested,
    RequestRedelivery,
    ScheduleDelivery,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Before attempt 2, 3, …; the first is made at once. When they run out, it is given up."""
JITTER = 0.1
"""A wait is stretched or shortened by up to this part of it."""
LONGEST_WISH = timedelta(hours=24)
"""How long a receiver may ask to wait at most."""
REFUSALS = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Statuses about this one body. Any other failure is about the endpoint: what waits behind the
delivery would fare no better, and would overtake it.
"""


class NoDelivery(Message):
    kind: Literal["absent"] = "absent"


class Delivery(Message):
    kind: Literal["present"] = "present"
    webhook_id: str
    test: bool
    status: DeliveryStatus = "pending"
    attempts: int = 0
    """Over its whole life."""
    before: int = 0
    """Those before it was last ordered again: the schedule starts anew then."""


DeliveryState = NoDelivery | Delivery


def decide(
    delivery: DeliveryState, command: DeliveryCommand, meta: Metadata
) -> Sequence[DeliveryEvent]:
    """What `command` does to `delivery`. Raises `NotFound` or `Conflict`."""
    match command:
        case ScheduleDelivery():
            if isinstance(delivery, Delivery):
                return []
            return [DeliveryScheduled.model_validate(command.model_dump())]
        case RecordAttempt():
            return _record(delivery, command, meta)
        case RequestRedelivery(delivery_id=delivery_id, webhook_id=webhook_id):
            if isinstance(delivery, NoDelivery) or delivery.webhook_id != webhook_id:
                raise NotFound("Delivery not found")
            if delivery.test:
                raise Conflict("A ping is not sent again; send another one")
            if delivery.status == "pending":
                return []
            return [RedeliveryRequested(delivery_id=delivery_id, webhook_id=webhook_id)]


def _record(
    delivery: DeliveryState, command: RecordAttempt, meta: Metadata
) -> Sequence[DeliveryEvent]:
    """Nothing, if the attempt is not the next one: its result was recorded before."""
    attempted = command.attempted
    if (
        isinstance(delivery, NoDelivery)
        or delivery.status != "pending"
        or attempted.attempt != delivery.attempts + 1
    ):
        return []
    status = attempted.status_code
    if arrived(status):
        return [
            DeliverySucceeded(
                delivery_id=command.delivery_id,
                webhook_id=command.webhook_id,
                attempted=attempted,
                response=command.response,
            )
        ]
    return [
        DeliveryAttemptFailed(
            delivery_id=command.delivery_id,
            webhook_id=command.webhook_id,
            attempted=attempted,
            response=command.response,
            due_at=_due(delivery, command, meta.now),
            parked=status in REFUSALS,
        )
    ]


def arrived(status: int | None) -> bool:
    """Only 2xx is a success; a redirect is not followed, so it is none."""
    return status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _due(delivery: Delivery, command: RecordAttempt, now: datetime) -> datetime | None:
    """When the next attempt is due; None: there is none."""
    made = command.attempted.attempt - delivery.before
    gone = command.attempted.status_code == HTTPStatus.GONE
    if delivery.test or gone or made > len(WAITS):
        return None
    wait = WAITS[made - 1] * (1 + JITTER * command.jitter) * command.pace
    wished = min(timedelta(seconds=command.retry_after or 0), LONGEST_WISH)
    return now + max(wait, wished)


def evolve(delivery: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    match event:
        case DeliveryScheduled(webhook_id=webhook_id, test=test):
            return Delivery(webhook_id=webhook_id, test=test)
        case _ if isinstance(delivery, NoDelivery):
            return delivery
        case DeliverySucceeded(attempted=attempted):
            changes = {"status": "delivered", "attempts": attempted.attempt}
            return delivery.model_copy(update=changes)
        case DeliveryAttemptFailed(attempted=attempted, due_at=due_at):
            status = "failed" if due_at is None else "pending"
            return delivery.model_copy(update={"status": status, "attempts": attempted.attempt})
        case RedeliveryRequested():
            return delivery.model_copy(update={"status": "pending", "before": delivery.attempts})


delivery_decider: Decider[DeliveryState, DeliveryCommand, DeliveryEvent] = Decider(
    aggregate="delivery",
    initial=NoDelivery(),
    state=TypeAdapter(Annotated[DeliveryState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
