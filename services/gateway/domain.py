"""What may happen to tenants and API tokens. Pure: no clock, no ids, no I/O."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Event, Message, Metadata
from shared.contracts.gateway import (
    ApiTokenCommand,
    ApiTokenEvent,
    ApiTokenIssued,
    ApiTokenRevoked,
    EmailClaimed,
    IssueApiToken,
    RegisterTenant,
    RevokeApiToken,
    SlugClaimed,
    TenantEvent,
    TenantRegistered,
    UserCreated,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound


class Tenant(Message):
    """A tenant, or none yet."""

    slug: str | None = None


def decide_tenant(tenant: Tenant, command: RegisterTenant, _meta: Metadata) -> Sequence[Event]:
    """A tenant comes into being with its slug, its owner and a first token, all or none."""
    if tenant.slug is not None:
        raise Conflict("A tenant with this id exists already")
    return [
        TenantRegistered(tenant_id=command.tenant_id, tenant_name=command.name, slug=command.slug),
        SlugClaimed(slug=command.slug, tenant_id=command.tenant_id),
        UserCreated(
            user_id=command.owner_id,
            email=command.owner_email,
            display_name=command.owner_display_name,
            role="owner",
            password_ref=command.password_ref,
        ),
        EmailClaimed(email_hash=command.owner_email_hash, user_id=command.owner_id),
        ApiTokenIssued(
            token_id=command.token_id,
            token_name=command.token_name,
            token_hash=command.token_hash,
            token_prefix=command.token_prefix,
            user_id=command.owner_id,
        ),
    ]


def evolve_tenant(_tenant: Tenant, event: TenantEvent) -> Tenant:
    return Tenant(slug=event.slug)


class NoToken(Message):
    kind: Literal["absent"] = "absent"


class Token(Message):
    kind: Literal["present"] = "present"
    token_hash: str
    revoked: bool = False


TokenState = NoToken | Token


def decide_token(
    token: TokenState, command: ApiTokenCommand, _meta: Metadata
) -> Sequence[ApiTokenEvent]:
    """Issue once, revoke as often as wanted. Raises `NotFound` or `Conflict`."""
    match command:
        case IssueApiToken():
            if isinstance(token, Token):
                raise Conflict("A token with this id exists already")
            return [ApiTokenIssued.model_validate(command.model_dump())]
        case RevokeApiToken(token_id=token_id):
            if isinstance(token, NoToken):
                raise NotFound("Token not found")
            if token.revoked:
                return []
            return [ApiTokenRevoked(token_id=token_id, token_hash=token.token_hash)]


def evolve_token(token: TokenState, event: ApiTokenEvent) -> TokenState:
    match event:
        case ApiTokenIssued(token_hash=token_hash):
            return Token(token_hash=token_hash)
        case ApiTokenRevoked():
            return token.model_copy(update={"revoked": True}) if isinstance(token, Token) else token


tenant_decider: Decider[Tenant, RegisterTenant, TenantEvent] = Decider(
    aggregate="tenant",
    initial=Tenant(),
    state=TypeAdapter(Tenant),
    decide=decide_tenant,
    evolve=evolve_tenant,
)
token_decider: Decider[TokenState, ApiTokenCommand, ApiTokenEvent] = Decider(
    aggregate="api_token",
    initial=NoToken(),
    state=TypeAdapter(Annotated[TokenState, Field(discriminator="kind")]),
    decide=decide_token,
    evolve=evolve_token,
)
