"""Questions about deliveries, and what is still to be sent."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, Select, and_, func, not_, select

from services.webhooks.ports import Head, Lane, Pending
from services.webhooks.tables import attempts, deliveries
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.webhooks import (
    AttemptView,
    DeliveryView,
    DeliveryViews,
    GetDelivery,
    ListDeliveries,
)
from shared.kernel.errors import NotFound

ROW_BYTES = 1_500
"""Of a delivery as JSON: everything but its body."""
SHOWN_ATTEMPTS = 100
"""The last ones; a delivery that was ordered again and again may have more."""
SLACK = timedelta(seconds=30)
"""By which the clocks of replicas may differ."""
TOLD_AT = func.coalesce(
    select(attempts.c.at)
    .where(
        attempts.c.tenant_id == deliveries.c.tenant_id,
        attempts.c.delivery_id == deliveries.c.id,
        attempts.c.attempt == deliveries.c.attempt_count,
    )
    .scalar_subquery(),
    deliveries.c.created_at,
)
"""When it was told that a delivery is due later."""
PENDING = and_(deliveries.c.status == "pending", not_(deliveries.c.test))


class DeliveryQueries:
    """Reads the model `webhooks_deliveries`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_delivery(self, question: GetDelivery, meta: Metadata) -> DeliveryView:
        """With its attempts. Raises `NotFound`."""
        query = _of_webhook(meta.tenant_id, question.webhook_id).where(
            deliveries.c.id == question.delivery_id
        )
        made = (
            select(attempts)
            .where(
                attempts.c.tenant_id == meta.tenant_id,
                attempts.c.delivery_id == question.delivery_id,
            )
            .order_by(attempts.c.attempt.desc())
            .limit(SHOWN_ATTEMPTS)
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
            if row is None:
                raise NotFound("Delivery not found")
            found = (await db.execute(made)).mappings().all()
        views = [AttemptView.model_validate(dict(one)) for one in reversed(found)]
        return _view(row, attempts=tuple(views))

    async def list_deliveries(self, question: ListDeliveries, meta: Metadata) -> DeliveryViews:
        query = _of_webhook(meta.tenant_id, question.webhook_id)
        if question.status is not None:
            query = query.where(deliveries.c.status == question.status)
        if question.event_type is not None:
            query = query.where(deliveries.c.event_type == question.event_type)
        page = page_of(
            query,
            (deliveries.c.sequence, deliveries.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(deliveries.c.body) + ROW_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        items, following = cut(rows, [_view(row) for row in rows])
        return DeliveryViews(items=items, following=following, total=total)

    async def head_of(self, lane: Lane, now: datetime) -> Head:
        """The delivery that is next, which may be due later, and when to look at those that were
        refused and wait for another attempt: nobody behind them waits for that.

        Who was told to wait at a time that is to come is due: the clock was put back since, and
        would make minutes hours.
        """
        pending = _of_webhook(lane.tenant_id, lane.webhook_id).where(PENDING)
        known = now + SLACK >= TOLD_AT
        waiting = and_(deliveries.c.parked, deliveries.c.next_attempt_at > now, known)
        first = pending.where(not_(waiting)).order_by(deliveries.c.position, deliveries.c.id)
        parked = pending.where(waiting).with_only_columns(func.min(deliveries.c.next_attempt_at))
        async with self._store.reading(lane.tenant_id) as db:
            found = await db.execute(first.add_columns(known.label("known")).limit(1))
            row = found.mappings().one_or_none()
            parked_until = await db.scalar(parked)
        return Head(None if row is None else _pending(row, now), parked_until)

    async def lanes(self) -> list[Lane]:
        """All lanes of all tenants that have something to send, now or later."""
        query = select(deliveries.c.tenant_id, deliveries.c.webhook_id).where(PENDING).distinct()
        async with self._store.engine.connect() as db:
            return [Lane(row.tenant_id, row.webhook_id) for row in await db.execute(query)]


def _of_webhook(tenant_id: str, webhook_id: str) -> Select[Any]:
    return select(deliveries).where(
        deliveries.c.tenant_id == tenant_id, deliveries.c.webhook_id == webhook_id
    )


def _pending(row: RowMapping, now: datetime) -> Pending:
    return Pending(
        delivery_id=row["id"],
        message_id=row["message_id"],
        event_type=row["event_type"],
        body=row["body"],
        attempt=row["attempt_count"] + 1,
        due_at=row["next_attempt_at"] if row["known"] else now,
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
    )


def _view(row: RowMapping, **more: Any) -> DeliveryView:
    return DeliveryView.model_validate({**row, **more})
