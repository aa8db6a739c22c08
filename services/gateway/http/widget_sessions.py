"""/v1/widget/sessions: what a web page exchanges its public key for."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, status
from pydantic import BaseModel, Field

from services.gateway.domain.widget_keys import allows
from services.gateway.http.authentication import same_host
from services.gateway.http.context import AnybodyDep, Asking
from services.gateway.ports import VisitorClaims, WidgetKey
from shared.contracts.chat import BotProfileView, GetBotProfile
from shared.contracts.gateway import WidgetAppearance
from shared.kernel.errors import NotAuthenticated, NotFound, NotPermitted, QuotaExceeded
from shared.kernel.tokens import PUBLIC_PREFIX, is_well_formed
from shared.web.problem import responses

router = APIRouter(prefix="/v1/widget/sessions", tags=["widget"])

INVALID = "Invalid or revoked widget key"


class SessionIn(BaseModel):
    key: Annotated[str, Field(max_length=255)]
    """The public key, `nrag_pk_…`."""
    session_token: Annotated[str, Field(max_length=4096)] | None = None
    """An earlier session of this visitor, run out or not: then its chats stay the visitor's."""


class WidgetBotOut(BaseModel):
    id: str
    name: str
    description: str


class SessionOut(BaseModel):
    session_token: str
    token_type: str = "bearer"  # noqa: S105  RFC 6750
    expires_in: int
    visitor_id: str
    bot: WidgetBotOut
    appearance: WidgetAppearance


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, QuotaExceeded),
)
async def open_session(
    body: SessionIn,
    request: Request,
    asking: AnybodyDep,
    origin: Annotated[str | None, Header()] = None,
) -> SessionOut:
    """Open a session of 15 minutes for a visitor of a page that may use the key.

    Pages of this very server may use every key: there an owner tries out what visitors will see.
    """
    key = await _key(asking, body.key)
    ours = origin is not None and same_host(origin, request.headers.get("host", ""))
    if origin is None or not (ours or allows(key.allowed_origins, origin)):
        raise NotPermitted("This site may not use the widget key")
    await asking.gateway.quotas.session(key.tenant_id, key.key_id, key.quotas, asking.address)
    visitor_id = _visitor_before(asking, key, body.session_token) or asking.id_for("visitor")
    asking = asking.within(key.tenant_id, f"visitor/{visitor_id}")
    bot = await asking.ask(GetBotProfile(bot_profile_id=key.bot_profile_id), BotProfileView)
    if not bot.is_active:
        raise NotFound("Bot profile not found or inactive")
    claims = VisitorClaims(
        tenant_id=key.tenant_id,
        visitor_id=visitor_id,
        key_id=key.key_id,
        bot_profile_id=key.bot_profile_id,
        origin=origin,
    )
    token, seconds = asking.gateway.signed.visitor(claims, asking.metadata.now)
    return SessionOut(
        session_token=token,
        expires_in=seconds,
        visitor_id=visitor_id,
        bot=WidgetBotOut(id=bot.id, name=bot.name, description=bot.description),
        appearance=key.appearance,
    )


async def _key(asking: Asking, public_key: str) -> WidgetKey:
    found = None
    if is_well_formed(public_key, PUBLIC_PREFIX):
        found = await asking.gateway.identity.widget_key_of(public_key)
    if found is None or not found.is_active:
        raise NotAuthenticated(INVALID)
    if not found.tenant_active:
        raise NotPermitted("Tenant is disabled")
    return found


def _visitor_before(asking: Asking, key: WidgetKey, session_token: str | None) -> str | None:
    """Who came before with this session, if it was one of this bot and ours."""
    if session_token is None:
        return None
    try:
        claims = asking.gateway.signed.read_visitor(session_token, also_expired=True)
    except NotAuthenticated:
        return None
    same = (claims.tenant_id, claims.bot_profile_id) == (key.tenant_id, key.bot_profile_id)
    return claims.visitor_id if same else None
