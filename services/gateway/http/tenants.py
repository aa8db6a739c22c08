"""/v1/tenants."""

from typing import Annotated

from fastapi import APIRouter, status
from pydantic import BaseModel, EmailStr, Field

from services.gateway.http.auth import password_kept
from services.gateway.http.context import AnybodyDep, CallerDep, OwnerDep, Text
from services.gateway.queries import TenantView
from shared.contracts.gateway import BrowserTokens, RegisterTenant, UpdateTenant
from shared.kernel.emails import email_hash
from shared.kernel.errors import (
    Conflict,
    NotAuthenticated,
    NotPermitted,
    QuotaExceeded,
    Unavailable,
)
from shared.kernel.tokens import SHOWN, token_hash
from shared.web.problem import responses

router = APIRouter(prefix="/v1/tenants", tags=["tenants"])


class TenantIn(BaseModel):
    tenant_name: Annotated[Text, Field(max_length=255)]
    tenant_slug: Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9\-]+$")]
    owner_email: EmailStr
    owner_password: Annotated[str, Field(min_length=8, max_length=128)]
    owner_display_name: Annotated[Text, Field(max_length=255)] = ""


class TenantPatch(BaseModel):
    name: Annotated[Text, Field(max_length=255)] = ""
    browser_tokens: BrowserTokens = "bot_bound"
    """Which secret API tokens pages of other sites may use: `none`, `bot_bound` or `all`. Their
    visitors can read such a token; public widget keys are made for that."""


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
async def register(body: TenantIn, asking: AnybodyDep) -> TenantOut:
    """Create a tenant with its owner and a first API token."""
    gateway = asking.gateway
    if not gateway.signup_open:
        raise NotPermitted("This installation does not take new tenants")
    await gateway.throttle.signup(asking.address)
    tenant_id = asking.id_for("tenant")
    # Its own, if this request comes again because nobody was left to answer it.
    if await gateway.identity.tenant_id_of(body.tenant_slug) not in (None, tenant_id):
        raise Conflict(f"Slug '{body.tenant_slug}' is already taken", field="tenant_slug")
    owner_id = asking.id_for("user")
    asking = await asking.within(tenant_id, f"user/{owner_id}").from_here(owner_id)
    token = asking.secret_for("api_token")
    key = await gateway.vault.data_key(tenant_id, "tenant", create=True)
    async with password_kept(asking, owner_id, body.owner_password) as password_ref:
        await asking.order(
            RegisterTenant(
                tenant_id=tenant_id,
                name=body.tenant_name,
                slug=body.tenant_slug,
                owner_id=owner_id,
                owner_email=body.owner_email,
                owner_email_hash=email_hash(key or b"", body.owner_email),
                owner_display_name=body.owner_display_name,
                password_ref=password_ref,
                token_id=asking.id_for("api_token"),
                token_hash=token_hash(token),
                token_prefix=token[:SHOWN],
            )
        )
    tenant = await gateway.identity.tenant(tenant_id)
    return TenantOut(tenant=tenant, api_token=token, token_prefix=token[:SHOWN])


@router.get("/me", responses=responses(NotAuthenticated))
async def me(caller: CallerDep) -> TenantView:
    """The tenant the credential belongs to."""
    return await caller.gateway.identity.tenant(caller.tenant_id)


@router.patch("/me", responses=responses(NotAuthenticated, NotPermitted))
async def patch(body: TenantPatch, caller: OwnerDep) -> TenantView:
    """Change the name, or which tokens web pages may use."""
    sent = body.model_fields_set
    await caller.order(
        UpdateTenant(
            tenant_id=caller.tenant_id,
            name=body.name if "name" in sent else None,
            browser_tokens=body.browser_tokens if "browser_tokens" in sent else None,
        )
    )
    return await caller.gateway.identity.tenant(caller.tenant_id)
