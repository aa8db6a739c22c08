"""/v1/widget/keys: public keys for web pages."""

from typing import Annotated, Literal

from fastapi import APIRouter, status
from pydantic import BaseModel, Field

from services.gateway.http.api_tokens import check_bot
from services.gateway.http.context import AdminDep, CallerDep, Id, Text, Timestamp
from services.gateway.queries import WidgetKeyView
from shared.contracts.gateway import (
    Colour,
    CreateWidgetKey,
    RevokeWidgetKey,
    UpdateWidgetKey,
    WidgetAppearance,
    WidgetKeySettings,
    WidgetQuotas,
)
from shared.kernel.errors import (
    Conflict,
    InvalidCommand,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from shared.kernel.tokens import PUBLIC_PREFIX
from shared.web.problem import responses

router = APIRouter(prefix="/v1/widget/keys", tags=["widget"])

Origins = Annotated[list[Annotated[Text, Field(max_length=255)]], Field(max_length=100)]
Quota = Annotated[int, Field(ge=1, le=1_000_000_000)] | None
DEFAULTS = WidgetQuotas()
REFUSALS = responses(NotAuthenticated, NotPermitted, NotFound, Conflict, InvalidCommand)


class QuotasIn(BaseModel):
    """How much a key gives, at most. Null is no limit."""

    questions_per_day: Quota = DEFAULTS.questions_per_day
    """For all visitors together."""
    questions_per_visitor_hour: Quota = DEFAULTS.questions_per_visitor_hour
    questions_per_address_hour: Quota = DEFAULTS.questions_per_address_hour
    sessions_per_address_hour: Quota = DEFAULTS.sessions_per_address_hour


class AppearanceIn(BaseModel):
    """How the widget looks and greets. What is empty is as the page or the widget has it."""

    heading: Annotated[Text, Field(max_length=255)] = ""
    greeting: Annotated[Text, Field(max_length=1000)] = ""
    starters: Annotated[list[Annotated[Text, Field(max_length=200)]], Field(max_length=6)] = []
    """Questions that a visitor can begin with."""
    accent: Colour = ""
    """`#rrggbb`: what is highlighted."""
    launcher: Colour = ""
    """`#rrggbb`: the round button."""
    position: Literal["", "left", "right"] = ""
    theme: Literal["", "auto", "light", "dark"] = ""
    language: Literal["", "en", "de"] = ""


class WidgetKeyIn(BaseModel):
    name: Annotated[Text, Field(max_length=255)]
    bot_profile_id: Id
    allowed_origins: Origins = Field(default_factory=list)
    """`https://shop.example`, or `https://*.example.com` for all its subdomains; none: no page."""
    quotas: QuotasIn = QuotasIn()
    appearance: AppearanceIn = AppearanceIn()


class WidgetKeyPatch(BaseModel):
    name: Annotated[Text, Field(max_length=255)] = ""
    allowed_origins: Origins = Field(default_factory=list)
    quotas: QuotasIn = QuotasIn()
    appearance: AppearanceIn = AppearanceIn()


class WidgetKeyOut(BaseModel):
    id: str
    tenant_id: str
    bot_profile_id: str
    public_key: str
    """No secret: it may stand in a page."""
    name: str
    allowed_origins: list[str]
    quotas: WidgetQuotas
    appearance: WidgetAppearance
    is_active: bool
    created_at: Timestamp


@router.post("", status_code=status.HTTP_201_CREATED, responses=REFUSALS)
async def create(body: WidgetKeyIn, caller: AdminDep) -> WidgetKeyOut:
    """Make a public key for one bot."""
    await check_bot(caller, body.bot_profile_id)
    key_id = caller.id_for("widget_key")
    await caller.order(
        CreateWidgetKey(
            key_id=key_id,
            public_key=caller.secret_for("widget_key", PUBLIC_PREFIX),
            bot_profile_id=body.bot_profile_id,
            settings=WidgetKeySettings(
                key_name=body.name,
                allowed_origins=tuple(body.allowed_origins),
                quotas=_quotas(body.quotas),
                appearance=_look(body.appearance),
            ),
        )
    )
    return _out(await caller.gateway.identity.widget_key(caller.tenant_id, key_id))


@router.get("", responses=responses(NotAuthenticated))
async def list_keys(caller: CallerDep) -> list[WidgetKeyOut]:
    """All keys, newest first, revoked ones included."""
    found = await caller.gateway.identity.widget_keys(caller.tenant_id)
    return [_out(key) for key in found]


@router.get("/{key_id}", responses=responses(NotAuthenticated, NotFound))
async def get(key_id: Id, caller: CallerDep) -> WidgetKeyOut:
    """One key."""
    return _out(await caller.gateway.identity.widget_key(caller.tenant_id, key_id))


@router.patch("/{key_id}", responses=REFUSALS)
async def patch(key_id: Id, body: WidgetKeyPatch, caller: AdminDep) -> WidgetKeyOut:
    """Change the fields that are sent. Sessions that a change forbids end within a second."""
    sent = body.model_fields_set
    await caller.order(
        UpdateWidgetKey(
            key_id=key_id,
            key_name=body.name if "name" in sent else None,
            allowed_origins=tuple(body.allowed_origins) if "allowed_origins" in sent else None,
            quotas=_quotas(body.quotas) if "quotas" in sent else None,
            appearance=_look(body.appearance) if "appearance" in sent else None,
        )
    )
    return _out(await caller.gateway.identity.widget_key(caller.tenant_id, key_id))


@router.delete("/{key_id}", status_code=status.HTTP_204_NO_CONTENT, responses=REFUSALS)
async def revoke(key_id: Id, caller: AdminDep) -> None:
    """Revoke a key and all its sessions. Repeating it changes nothing."""
    await caller.order(RevokeWidgetKey(key_id=key_id))


def _quotas(sent: QuotasIn) -> WidgetQuotas:
    return WidgetQuotas.model_validate(sent.model_dump())


def _look(wanted: AppearanceIn) -> WidgetAppearance:
    return WidgetAppearance.model_validate(wanted.model_dump())


def _out(key: WidgetKeyView) -> WidgetKeyOut:
    return WidgetKeyOut.model_validate(key.model_dump())
