"""/v1/webhooks/{id}/deliveries: the delivery log."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from services.gateway.http import lists
from services.gateway.http.context import AdminDep, Caller, Id, Timestamp
from services.gateway.http.webhooks import found
from shared.contracts.webhooks import (
    DeliveryView,
    DeliveryViews,
    GetDelivery,
    ListDeliveries,
    RequestRedelivery,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/webhooks/{webhook_id}/deliveries", tags=["webhooks"])

PAGE = 50
"""Deliveries of a page for who does not say how many."""


class DeliveryOut(BaseModel):
    id: str
    webhook_id: str
    message_id: str
    """What the receiver sees as `webhook-id`: the same at every attempt."""
    event_type: str
    status: Literal["pending", "delivered", "failed"]
    attempt_count: int
    last_status_code: int | None
    last_error: str | None
    next_attempt_at: Timestamp | None
    occurred_at: Timestamp
    created_at: Timestamp


class RequestOut(BaseModel):
    method: str
    body: str


class AttemptOut(BaseModel):
    attempt: int
    at: Timestamp
    url: str
    status_code: int | None
    error: str | None
    duration_ms: float
    response: str
    """The beginning of what the receiver answered."""


class DeliveryDetail(DeliveryOut):
    request: RequestOut
    attempts: list[AttemptOut]


@router.get(
    "",
    response_model=list[DeliveryOut],
    responses={
        **responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
        200: {"headers": HEADERS},
    },
)
async def list_deliveries(
    webhook_id: Id,
    request: Request,
    caller: AdminDep,
    window: WindowDep,
    status: Annotated[
        Literal["pending", "delivered", "failed"] | None,
        Query(description="Only those that stand so."),
    ] = None,
    event_type: Annotated[
        str | None, Query(max_length=100, description="Only those of this type.")
    ] = None,
) -> Response:
    """What was sent to an endpoint, or waits to be, newest first."""
    await found(caller, webhook_id)
    question = ListDeliveries(webhook_id=webhook_id, status=status, event_type=event_type)
    size = PAGE if window.limit is None else window.size()
    return await lists.answer(request, caller, question, DeliveryViews, _out, window, size=size)


@router.get(
    "/{delivery_id}", responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand)
)
async def get(webhook_id: Id, delivery_id: Id, caller: AdminDep) -> DeliveryDetail:
    """One delivery: what is sent, and what came of every attempt."""
    return await _detail(caller, webhook_id, delivery_id)


@router.post(
    "/{delivery_id}/redeliver",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict, InvalidCommand),
)
async def redeliver(webhook_id: Id, delivery_id: Id, caller: AdminDep) -> DeliveryDetail:
    """Send it again, with the same id and bytes, whatever came of it before."""
    await _detail(caller, webhook_id, delivery_id)  # one that is not kept is not sent
    await caller.order(RequestRedelivery(delivery_id=delivery_id, webhook_id=webhook_id))
    return await _detail(caller, webhook_id, delivery_id)


async def _detail(caller: Caller, webhook_id: str, delivery_id: str) -> DeliveryDetail:
    question = GetDelivery(webhook_id=webhook_id, delivery_id=delivery_id)
    view = await caller.ask(question, DeliveryView)
    return DeliveryDetail(
        **_out(view).model_dump(),
        request=RequestOut(method="POST", body=view.body),
        attempts=[AttemptOut.model_validate(one.model_dump()) for one in view.attempts],
    )


def _out(view: DeliveryView) -> DeliveryOut:
    return DeliveryOut.model_validate(view.model_dump(exclude={"attempts", "body"}))
