"""/v1/tenants."""

import hashlib
import hmac
from typing import Annotated

from fastapi import APIRouter, Request, status
from pydantic import BaseModel, EmailStr, Field

from services.gateway.http.context import CallerDep, GatewayDep, Text, metadata_for
from shared.contracts.gateway import RegisterTenant, TenantView
from shared.kernel.errors import (
    Conflict,
    NotAuthenticated,
    NotPermitted,
    QuotaExceeded,
    Unavailable,
)
from shared.kernel.ids import derived_id
from shared.kernel.tokens import SHOWN, new_token, token_hash
from shared.web.problem import responses

router = APIRouter(prefix="/v1/tenants", tags=["tenants"])


class TenantIn(BaseModel):
    tenant_name: Annotated[Text, Field(max_length=255)]
    tenant_slug: Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9\-]+$")]
    owner_email: EmailStr
    owner_password: Annotated[str, Field(min_length=8, max_length=128)]
    owner_display_name: Annotated[Text, Field(max_length=255)] = ""


class TenantOut(BaseModel):
    tenant: TenantView
    api_token: str
    """Shown once."""
    token_prefix: str


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Conflict, NotPermitted, QuotaExceeded, Unavailable),
)
async def register(body: TenantIn, request: Request, gateway: GatewayDep) -> TenantOut:
    """Create a tenant with its owner and a first API token."""
    if not gateway.signup_open:
        raise NotPermitted("This installation does not take new tenants")
    metadata = metadata_for(request, "_", "visitor")
    tenant_id = derived_id("tenant", metadata.message_id)
    owner_id = derived_id("user", metadata.message_id)
    metadata = metadata.model_copy(update={"tenant_id": tenant_id})
    token = new_token()
    password_ref = f"password/{owner_id}"
    await gateway.vault.put(
        tenant_id, password_ref, await gateway.passwords.hash(body.owner_password)
    )
    key = await gateway.vault.data_key(tenant_id, "tenant", create=True)
    command = RegisterTenant(
        tenant_id=tenant_id,
        name=body.tenant_name,
        slug=body.tenant_slug,
        owner_id=owner_id,
        owner_email=body.owner_email,
        owner_email_hash=email_hash(key or b"", body.owner_email),
        owner_display_name=body.owner_display_name,
        password_ref=password_ref,
        token_id=derived_id("token", metadata.message_id),
        token_hash=token_hash(token),
        token_prefix=token[:SHOWN],
    )
    done = await gateway.bus.order(command, metadata, "gateway")
    if done is None:
        # The token would be lost with a 202; the caller repeats with another slug or later.
        raise Unavailable("registration takes longer than usual; try again")
    tenant = await gateway.identity.tenant(tenant_id)
    return TenantOut(tenant=tenant, api_token=token, token_prefix=command.token_prefix)


@router.get("/me", responses=responses(NotAuthenticated))
async def me(caller: CallerDep) -> TenantView:
    """The tenant the token belongs to."""
    return await caller.gateway.identity.tenant(caller.tenant_id)


def email_hash(key: bytes, email: str) -> str:
    """A name for an address that only the tenant's key can make: events do not give it away."""
    return hmac.new(key, email.casefold().encode(), hashlib.sha256).hexdigest()
