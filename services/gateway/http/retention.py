"""/v1/tenants/me/retention: how long a tenant keeps what people said."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.gateway.http.context import AdminDep, OwnerDep, Timestamp
from shared.contracts.chat_history import ChatCount, CountOldChats
from shared.contracts.gateway_erasure import (
    FEWEST_DELIVERY_DAYS,
    LONGEST_DAYS,
    GetRetention,
    RetentionView,
    SetRetention,
)
from shared.kernel.errors import NotAuthenticated, NotPermitted, Unavailable
from shared.web.problem import responses

router = APIRouter(prefix="/v1/tenants/me/retention", tags=["erasure"])

Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]
REFUSALS = responses(NotAuthenticated, NotPermitted, Unavailable)


class RetentionOut(BaseModel):
    chats_days: int | None
    """Days after its last message on which a chat is erased; null: never by itself."""
    audit_days: int | None
    """Days for which the audit log shows an entry; null: for ever."""
    deliveries_days: int | None
    """Days for which a delivery of a webhook is shown; null: for ever."""


class RetentionPatch(BaseModel):
    chats_days: Days | None = None
    """Null keeps chats until somebody erases them."""
    audit_days: Days | None = None
    """Null keeps all entries of the audit log."""
    deliveries_days: Annotated[int | None, Field(ge=FEWEST_DELIVERY_DAYS, le=LONGEST_DAYS)] = None
    """Null keeps all deliveries of webhooks."""


class RetentionPreviewOut(BaseModel):
    before: Timestamp
    """Chats in which nothing was said from then on are too old."""
    chats: int
    """Those, and all in which something of them was replayed."""


@router.get("", responses=REFUSALS)
async def get(caller: AdminDep) -> RetentionOut:
    """How long chats, the audit log and deliveries are kept."""
    return _out(await caller.ask(GetRetention(), RetentionView))


@router.patch("", responses=REFUSALS)
async def patch(body: RetentionPatch, caller: OwnerDep) -> RetentionOut:
    """Say how long chats, the audit log and deliveries are kept. What is too old is erased once a
    day, for good; what is left out here stays as it is.
    """
    kept = await caller.ask(GetRetention(), RetentionView)
    changes = body.model_dump(exclude_unset=True)
    if changes:
        wanted = {**kept.model_dump(), **changes}
        await caller.order(SetRetention(tenant_id=caller.tenant_id, **wanted))
    return _out(await caller.ask(GetRetention(), RetentionView))


@router.get("/preview", responses=REFUSALS)
async def preview(
    caller: AdminDep,
    chats_days: Annotated[int, Query(ge=1, le=LONGEST_DAYS, description="What might be said.")],
) -> RetentionPreviewOut:
    """What would be erased if chats were kept so long."""
    before = caller.metadata.now - timedelta(days=chats_days)
    found = await caller.ask(CountOldChats(before=before), ChatCount)
    return RetentionPreviewOut(before=before, chats=found.chats)


def _out(retention: RetentionView) -> RetentionOut:
    return RetentionOut.model_validate(retention.model_dump())
