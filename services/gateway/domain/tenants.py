"""What may happen to a tenant."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Event, Message, Metadata
from shared.contracts.gateway import (
    ApiTokenIssued,
    BrowserTokens,
    DeactivateTenant,
    ReactivateTenant,
    RegisterTenant,
    SlugClaimed,
    TenantCommand,
    TenantDeactivated,
    TenantEvent,
    TenantImported,
    TenantReactivated,
    TenantRegistered,
    TenantUpdated,
    UpdateTenant,
    UserCreated,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound


class NoTenant(Message):
    kind: Literal["absent"] = "absent"


class Tenant(Message):
    kind: Literal["present"] = "present"
    name: str
    browser_tokens: BrowserTokens = "bot_bound"
    active: bool = True


TenantState = NoTenant | Tenant


def decide(tenant: TenantState, command: TenantCommand, _meta: Metadata) -> Sequence[Event]:
    """Raises `NotFound` or `Conflict`."""
    if isinstance(command, RegisterTenant):
        if isinstance(tenant, Tenant):
            raise Conflict("A tenant with this id exists already")
        return _register(command)
    if isinstance(tenant, NoTenant):
        raise NotFound("Tenant not found")
    match command:
        case UpdateTenant():
            changed = TenantUpdated(
                tenant_id=command.tenant_id,
                tenant_name=tenant.name if command.name is None else command.name,
                browser_tokens=command.browser_tokens or tenant.browser_tokens,
            )
            same = (changed.tenant_name, changed.browser_tokens) == (
                tenant.name,
                tenant.browser_tokens,
            )
            return [] if same else [changed]
        case DeactivateTenant():
            return [TenantDeactivated(tenant_id=command.tenant_id)] if tenant.active else []
        case ReactivateTenant():
            return [] if tenant.active else [TenantReactivated(tenant_id=command.tenant_id)]


def _register(command: RegisterTenant) -> Sequence[Event]:
    """A tenant comes into being with its slug, its owner and a first token, all or none."""
    return [
        TenantRegistered(tenant_id=command.tenant_id, tenant_name=command.name, slug=command.slug),
        SlugClaimed(slug=command.slug, tenant_id=command.tenant_id),
        UserCreated(
            tenant_id=command.tenant_id,
            user_id=command.owner_id,
            email=command.owner_email,
            email_hash=command.owner_email_hash,
            display_name=command.owner_display_name,
            role="owner",
            password_ref=command.password_ref,
        ),
        ApiTokenIssued(
            token_id=command.token_id,
            token_name=command.token_name,
            token_hash=command.token_hash,
            token_prefix=command.token_prefix,
            user_id=command.owner_id,
        ),
    ]


def evolve(tenant: TenantState, event: TenantEvent) -> TenantState:
    """Never raises."""
    match event:
        case TenantRegistered():
            return Tenant(name=event.tenant_name)
        case TenantUpdated() if isinstance(tenant, Tenant):
            changes = {"name": event.tenant_name, "browser_tokens": event.browser_tokens}
            return tenant.model_copy(update=changes)
        case TenantDeactivated() if isinstance(tenant, Tenant):
            return tenant.model_copy(update={"active": False})
        case TenantReactivated() if isinstance(tenant, Tenant):
            return tenant.model_copy(update={"active": True})
        case TenantUpdated() | TenantDeactivated() | TenantReactivated() | TenantImported():
            return tenant


tenant_decider: Decider[TenantState, TenantCommand, TenantEvent] = Decider(
    aggregate="tenant",
    initial=NoTenant(),
    state=TypeAdapter(Annotated[TenantState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
