"""/v1/api-tokens."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, status
from pydantic import AfterValidator, BaseModel, Field

from services.gateway.http.context import AdminDep, Caller, CallerDep, Id, Text
from services.gateway.http.permissions import effective
from services.gateway.http.views import ApiTokenOut
from services.gateway.queries import ApiTokenView
from shared.contracts.chat import BotProfileView, GetBotProfile
from shared.contracts.gateway import IssueApiToken, RevokeApiToken, Scope
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.kernel.tokens import SHOWN, token_hash
from shared.web.problem import responses

router = APIRouter(prefix="/v1/api-tokens", tags=["api tokens"])

UNKNOWN_BOT = "Bot profile not found or belongs to a different tenant"


def _utc(at: datetime) -> datetime:
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is beyond the calendar") from error


class ApiTokenIn(BaseModel):
    name: Annotated[Text, Field(max_length=255)]
    expires_at: Annotated[datetime, AfterValidator(_utc)] | None = None
    """After that it opens nothing. A time without a zone is UTC."""
    scopes: Annotated[list[Scope], Field(min_length=1)] | None = None
    """Left out: all that the role of its maker allows, as it is at each use."""
    bot_profile_id: Id | None = None
    """Then it can chat with this bot, see its public profile and the chats begun with it."""


class NewApiTokenOut(ApiTokenOut):
    raw_token: str
    """Shown once."""


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
)
async def issue(body: ApiTokenIn, caller: AdminDep) -> NewApiTokenOut:
    """Make a token. It is shown this once: only its hash is kept."""
    token = caller.secret_for("api_token")
    token_id = caller.id_for("api_token")
    scopes, expires_at = _within(caller, body)
    if body.bot_profile_id is not None:
        await check_bot(caller, body.bot_profile_id)
    await caller.order(
        IssueApiToken(
            token_id=token_id,
            token_name=body.name,
            token_hash=token_hash(token),
            token_prefix=token[:SHOWN],
            user_id=caller.principal.user_id,
            expires_at=expires_at,
            scopes=scopes,
            bot_profile_id=body.bot_profile_id,
        )
    )
    made = await caller.gateway.identity.api_token(caller.tenant_id, token_id)
    return NewApiTokenOut(**_out(made).model_dump(), raw_token=token)


@router.get("", responses=responses(NotAuthenticated))
async def list_tokens(caller: CallerDep) -> list[ApiTokenOut]:
    """All tokens, newest first, revoked ones included."""
    found = await caller.gateway.identity.api_tokens(caller.tenant_id)
    return [_out(token) for token in found]


@router.delete(
    "/{token_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, NotFound),
)
async def revoke(token_id: Id, caller: AdminDep) -> None:
    """Revoke a token. Repeating it changes nothing."""
    await caller.order(RevokeApiToken(token_id=token_id))


async def check_bot(caller: Caller, bot_profile_id: str) -> None:
    """Raise `InvalidCommand` unless the tenant has such a bot."""
    unknown = InvalidCommand(UNKNOWN_BOT, field="bot_profile_id")
    try:
        question = GetBotProfile(bot_profile_id=bot_profile_id)
        await caller.ask(question, BotProfileView)
    except NotFound as error:
        raise unknown from error


def _within(caller: Caller, body: ApiTokenIn) -> tuple[tuple[Scope, ...] | None, datetime | None]:
    """Scopes and end of the new token. A token makes none that may more than itself."""
    if body.expires_at is not None and body.expires_at <= caller.metadata.now:
        raise InvalidCommand("must be in the future", field="expires_at")
    principal = caller.principal
    allowed = effective(principal.role, principal.scopes)
    if body.scopes is not None and not allowed.issuperset(body.scopes):
        beyond = ", ".join(sorted(set(body.scopes) - allowed))
        raise NotPermitted(f"You cannot give what you do not have: {beyond}", field="scopes")
    scopes = principal.scopes if body.scopes is None else tuple(dict.fromkeys(body.scopes))
    if principal.expires_at is None:
        return scopes, body.expires_at
    if body.expires_at is not None and body.expires_at > principal.expires_at:
        raise NotPermitted("It would outlive the token that makes it", field="expires_at")
    return scopes, body.expires_at or principal.expires_at


def _out(token: ApiTokenView) -> ApiTokenOut:
    return ApiTokenOut.model_validate(token.model_dump())
