"""Facts about endpoints → rows."""

from typing import Any

from sqlalchemy import case, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.webhooks.tables import endpoints
from shared.contracts.base import Event, Recorded
from shared.contracts.webhooks import (
    SecretRotated,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookFailing,
    WebhookRecovered,
    WebhookSettings,
    WebhookUpdated,
)


class Endpoints:
    """The list of endpoints. A deleted one is gone."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case WebhookCreated(webhook_id=webhook_id, settings=settings, secret_ref=secret_ref):
                row = {
                    "tenant_id": recorded.tenant_id,
                    "id": webhook_id,
                    "position": recorded.sequence,
                    "secret_ref": secret_ref,
                    "created_at": recorded.at,
                    "updated_at": recorded.at,
                    **_settings(settings),
                }
                await db.execute(insert(endpoints).values(row))
            case WebhookUpdated(settings=settings):
                changes = _settings(settings)
                if settings.is_active:
                    # Switched on again, it begins anew; otherwise the clock goes on.
                    going_on = case((endpoints.c.is_active, endpoints.c.failing_since), else_=None)
                    changes |= {"disabled_reason": None, "failing_since": going_on}
                await _change(db, recorded, **changes, updated_at=recorded.at)
            case WebhookDeleted(webhook_id=webhook_id):
                await db.execute(
                    delete(endpoints).where(
                        endpoints.c.tenant_id == recorded.tenant_id, endpoints.c.id == webhook_id
                    )
                )
            case SecretRotated(secret_ref=secret_ref, previous_until=until):
                await _change(
                    db,
                    recorded,
                    secret_ref=secret_ref,
                    previous_secret_until=until,
                    updated_at=recorded.at,
                )
            case WebhookFailing(since=since):
                await _change(db, recorded, failing_since=since)
            case WebhookRecovered():
                await _change(db, recorded, failing_since=None)
            case WebhookDisabled(reason=reason):
                await _change(
                    db, recorded, is_active=False, disabled_reason=reason, updated_at=recorded.at
                )
            case _:
                pass


def _settings(settings: WebhookSettings) -> dict[str, Any]:
    return {**settings.model_dump(exclude={"events"}), "events": list(settings.events)}


async def _change(db: AsyncConnection, recorded: Recorded[Event], **changes: Any) -> None:
    await db.execute(
        update(endpoints)
        .where(
            endpoints.c.tenant_id == recorded.tenant_id,
            endpoints.c.id == recorded.event.aggregate_id,
        )
        .values(changes)
    )
