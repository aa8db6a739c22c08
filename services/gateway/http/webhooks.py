"""/v1/webhooks: endpoints and their secrets."""

import base64
import secrets
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Request, Response, status
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from services.gateway.http import lists
from services.gateway.http.context import (
    AdminDep,
    Caller,
    CallerDep,
    Id,
    Text,
    Timestamp,
    given,
)
from shared.contracts.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    GetWebhook,
    ListWebhooks,
    RequestReplay,
    RotateSecret,
    SendTest,
    TestResult,
    UpdateWebhook,
    WebhookSettings,
    WebhookView,
    WebhookViews,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

SECRET_BYTES = 32
DAY_SECONDS = 86_400
TEST_SECONDS = 65.0
"""Longer than an attempt can take."""


def _printable(secret: str) -> str:
    if not secret.isascii() or not secret.isprintable():
        raise ValueError("must consist of printable ASCII characters")
    return secret


Secret = Annotated[str, Field(min_length=16, max_length=255), AfterValidator(_printable)]
Url = Annotated[Text, Field(max_length=2048)]
EventTypes = Annotated[list[Annotated[Text, Field(max_length=100)]], Field(max_length=100)]
Description = Annotated[Text, Field(max_length=500)]


class WebhookIn(BaseModel):
    url: Url
    events: EventTypes
    """Types of public events; none: nothing is delivered yet."""
    description: Description = ""
    secret: Secret | None = None
    """Your own signing secret; left out, one is made."""


class WebhookPatch(BaseModel):
    url: Url = ""
    events: EventTypes = Field(default_factory=list)
    description: Description = ""
    is_active: bool = True


class WebhookOut(BaseModel):
    id: str
    tenant_id: str
    url: str
    events: list[str]
    is_active: bool
    description: str
    has_secret: bool
    disabled_reason: str | None
    """`gone` or `failing`, if it was switched off because of its receiver."""
    failing_since: Timestamp | None
    previous_secret_until: Timestamp | None
    """Until when the secret before is good as well."""
    created_at: Timestamp
    updated_at: Timestamp


class WebhookWithSecret(WebhookOut):
    secret: str
    """Shown this once."""


class RotationIn(BaseModel):
    overlap_seconds: Annotated[int, Field(ge=0, le=366 * DAY_SECONDS)] = DAY_SECONDS
    """How long deliveries are signed with the secret before as well; 0 ends it now."""
    secret: Secret | None = None


class TestOut(BaseModel):
    success: bool
    status_code: int | None


class ReplayIn(BaseModel):
    since: Annotated[AwareDatetime, Field(alias="from")]
    until: Annotated[AwareDatetime, Field(alias="to")]


class ReplayOut(BaseModel):
    status: str
    webhook_id: str


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict, InvalidCommand),
)
async def create(body: WebhookIn, caller: AdminDep) -> WebhookWithSecret:
    """Register an endpoint. Its signing secret is shown in this answer only.

    A repeated request whose endpoint was deleted meanwhile is 404, and 409 if its secret was.
    """
    webhook_id = caller.id_for("webhook")
    ref = await _keep(caller, webhook_id, body.secret)
    settings = WebhookSettings(
        url=body.url, events=_unique(body.events), description=body.description
    )
    await caller.order(CreateWebhook(webhook_id=webhook_id, settings=settings, secret_ref=ref))
    return await _with_secret(caller, webhook_id, ref)


@router.get(
    "",
    response_model=list[WebhookOut],
    responses={**responses(NotAuthenticated, InvalidCommand), 200: {"headers": HEADERS}},
)
async def list_webhooks(request: Request, caller: CallerDep, window: WindowDep) -> Response:
    """All endpoints, newest first."""
    return await lists.answer(
        request, caller, ListWebhooks(), WebhookViews, _out, window, again=True
    )


@router.get("/{webhook_id}", responses=responses(NotAuthenticated, NotFound, InvalidCommand))
async def get(webhook_id: Id, caller: CallerDep) -> WebhookOut:
    """One endpoint, and whether it is disabled."""
    return _out(await found(caller, webhook_id))


@router.patch(
    "/{webhook_id}",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
)
async def patch(webhook_id: Id, body: WebhookPatch, caller: AdminDep) -> WebhookOut:
    """Change the fields that are sent. `is_active: true` switches a disabled one on again."""
    changes = given(body)
    if "events" in changes:
        changes["events"] = _unique(changes["events"])
    await caller.order(UpdateWebhook(webhook_id=webhook_id, changes=changes))
    return _out(await found(caller, webhook_id))


@router.delete(
    "/{webhook_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
)
async def delete(webhook_id: Id, caller: AdminDep) -> None:
    """Forget an endpoint, its secret and its deliveries."""
    await caller.order(DeleteWebhook(webhook_id=webhook_id))


@router.post(
    "/{webhook_id}/test",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
)
async def test(webhook_id: Id, caller: AdminDep) -> TestOut:
    """Send a ping now, signed as every delivery, and tell what came of it."""
    question = SendTest(webhook_id=webhook_id, delivery_id=caller.id_for("delivery"))
    result = await caller.gateway.bus.ask(
        question, TestResult, caller.metadata, timeout=TEST_SECONDS
    )
    return TestOut(success=result.success, status_code=result.status_code)


@router.post(
    "/{webhook_id}/rotate-secret",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict, InvalidCommand),
)
async def rotate_secret(
    webhook_id: Id, caller: AdminDep, body: RotationIn | None = None
) -> WebhookWithSecret:
    """Sign with another secret, and for a while with the one before as well."""
    wish = body or RotationIn()
    await found(caller, webhook_id)
    ref = await _keep(caller, webhook_id, wish.secret)
    command = RotateSecret(
        webhook_id=webhook_id, secret_ref=ref, overlap_seconds=wish.overlap_seconds
    )
    await caller.order(command)
    return await _with_secret(caller, webhook_id, ref)


@router.post(
    "/{webhook_id}/replay",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict, InvalidCommand),
)
async def replay(webhook_id: Id, body: ReplayIn, caller: AdminDep) -> ReplayOut:
    """Deliver again what happened in a range of time, with the ids it had."""
    command = RequestReplay(webhook_id=webhook_id, since=body.since, until=body.until)
    await caller.order(command)
    return ReplayOut(status="accepted", webhook_id=webhook_id)


async def found(caller: Caller, webhook_id: str) -> WebhookView:
    """Raises `NotFound`."""
    return await caller.ask(GetWebhook(webhook_id=webhook_id), WebhookView)


async def _keep(caller: Caller, webhook_id: str, secret: str | None) -> str:
    """Put a secret into the vault and return where; a repeated request finds the one it made."""
    ref = f"webhook/{webhook_id}/{caller.metadata.message_id}"
    if await caller.gateway.vault.get(caller.tenant_id, ref) is None:
        kept = secret or "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        await caller.gateway.vault.put(caller.tenant_id, ref, kept.encode())
    return ref


async def _with_secret(caller: Caller, webhook_id: str, ref: str) -> WebhookWithSecret:
    out = _out(await found(caller, webhook_id))
    secret = await caller.gateway.vault.get(caller.tenant_id, ref)
    if secret is None:
        raise Conflict("The secret was replaced meanwhile")
    return WebhookWithSecret(**out.model_dump(), secret=secret.decode())


def _unique(events: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(events))


def _out(webhook: WebhookView) -> WebhookOut:
    shown = webhook.model_dump(exclude={"secret_ref"})
    return WebhookOut.model_validate({**shown, "has_secret": True})
