"""Facts about deliveries → rows."""

from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.webhooks.tables import attempts, deliveries
from shared.contracts.base import Event, Recorded
from shared.contracts.gateway_erasure import ErasureTold
from shared.contracts.webhooks import (
    DeliveryAttemptFailed,
    DeliveryScheduled,
    DeliverySucceeded,
    RedeliveryRequested,
    WebhookDeleted,
)


class Deliveries:
    """The delivery log, and what is still to be sent. With its endpoint it is all gone."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case DeliveryScheduled() as event:
                await db.execute(insert(deliveries).values(_first_row(event, recorded)))
            case DeliverySucceeded() as event:
                await _attempted(db, recorded, event)
                await _change(db, recorded, status="delivered", next_attempt_at=None, parked=False)
            case DeliveryAttemptFailed(due_at=due_at, parked=parked) as event:
                await _attempted(db, recorded, event)
                await _change(
                    db,
                    recorded,
                    status="failed" if due_at is None else "pending",
                    next_attempt_at=due_at,
                    parked=parked,
                )
            case RedeliveryRequested():
                await _change(
                    db, recorded, status="pending", next_attempt_at=recorded.at, parked=False
                )
            case WebhookDeleted(webhook_id=webhook_id):
                await _forget(db, recorded, deliveries.c.webhook_id == webhook_id)
            case ErasureTold(deliveries_before=before) if before is not None:
                await _forget(db, recorded, deliveries.c.created_at < before)
            case _:
                pass


async def _forget(
    db: AsyncConnection, recorded: Recorded[Event], which: ColumnElement[bool]
) -> None:
    # A command's rows may be there before an earlier fact comes here.
    mine = (deliveries.c.tenant_id == recorded.tenant_id, which)
    earlier = deliveries.c.sequence < recorded.sequence
    gone = select(deliveries.c.id).where(*mine, earlier)
    await db.execute(
        delete(attempts).where(
            attempts.c.tenant_id == recorded.tenant_id,
            attempts.c.delivery_id.in_(gone),
            attempts.c.sequence < recorded.sequence,
        )
    )
    await db.execute(delete(deliveries).where(*mine, earlier))


def _first_row(event: DeliveryScheduled, recorded: Recorded[Event]) -> dict[str, Any]:
    return {
        "tenant_id": recorded.tenant_id,
        "id": event.delivery_id,
        "webhook_id": event.webhook_id,
        "sequence": recorded.sequence,
        "position": event.position,
        "message_id": event.message_id,
        "event_type": event.event_type,
        "body": event.body,
        "test": event.test,
        "status": "pending",
        "parked": False,
        "attempt_count": 0,
        "next_attempt_at": recorded.at,
        "correlation_id": recorded.metadata.correlation_id,
        "traceparent": recorded.metadata.traceparent,
        "occurred_at": event.occurred_at,
        "created_at": recorded.at,
    }


async def _attempted(
    db: AsyncConnection,
    recorded: Recorded[Event],
    event: DeliverySucceeded | DeliveryAttemptFailed,
) -> None:
    row = {
        "tenant_id": recorded.tenant_id,
        "delivery_id": event.delivery_id,
        "webhook_id": event.webhook_id,
        "sequence": recorded.sequence,
        "at": recorded.at,
        "response": event.response,
        **event.attempted.model_dump(),
    }
    await db.execute(insert(attempts).values(row))
    await _change(
        db,
        recorded,
        attempt_count=event.attempted.attempt,
        last_status_code=event.attempted.status_code,
        last_error=event.attempted.error,
    )


async def _change(db: AsyncConnection, recorded: Recorded[Event], **changes: Any) -> None:
    await db.execute(
        update(deliveries)
        .where(
            deliveries.c.tenant_id == recorded.tenant_id,
            deliveries.c.id == recorded.event.aggregate_id,
        )
        .values(changes)
    )
