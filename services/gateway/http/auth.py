"""/v1/auth: sessions of people."""

import hashlib
import hmac
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, EmailStr, Field

from services.gateway.http.context import AnybodyDep, Asking, CallerDep, Text
from services.gateway.http.views import LoginOut, MeOut, user_out
from services.gateway.ports import AccessClaims, RefreshClaims
from services.gateway.queries import Account
from shared.contracts.gateway import (
    ChangePassword,
    EndSession,
    RefreshSession,
    StartSession,
)
from shared.kernel.emails import email_key
from shared.kernel.errors import (
    Conflict,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Unavailable,
)
from shared.web.problem import ProblemError, responses

router = APIRouter(prefix="/v1/auth", tags=["login"])

TRIED = 8
"""Accounts of one address whose passwords a login tries, the oldest first."""
HOME_DAYS = 90
"""For how long an address stays known from which somebody has logged in."""
NOBODYS = "password/nobody"


class LoginIn(BaseModel):
    email: EmailStr
    password: Annotated[str, Field(max_length=1024)]
    tenant_slug: Annotated[Text, Field(max_length=100)] | None = None
    """Needed only by whoever has the same password in several tenants."""


class RefreshIn(BaseModel):
    refresh_token: Annotated[str, Field(max_length=4096)]


class LogoutIn(BaseModel):
    refresh_token: Annotated[str, Field(max_length=4096)] | None = None
    """Ends its session even if the access token has run out."""


class PasswordIn(BaseModel):
    current_password: Annotated[str, Field(max_length=1024)]
    new_password: Annotated[str, Field(min_length=8, max_length=128)]


@router.post("/login", responses=responses(NotAuthenticated, NotPermitted, Unavailable))
async def login(body: LoginIn, asking: AnybodyDep) -> LoginOut:
    """Log in with e-mail and password. Upper and lower case of the address are the same."""
    gateway = asking.gateway
    found = await gateway.identity.accounts(body.email, body.tenant_slug, TRIED)

    async def at_home() -> bool:
        return await _knows_address(asking, found)

    attempt = await gateway.throttle.attempt(email_key(body.email), asking.address, at_home)
    matching = [account for account in found if await _verify(asking, account, body.password)]
    if not found:
        # As long as for an account that exists, by the same steps.
        await gateway.passwords.verify(await gateway.vault.get("_", NOBODYS), body.password)
    if not matching:
        raise NotAuthenticated("Invalid email or password")
    await attempt.succeeded()
    account = _the_one(matching)
    asking = asking.within(account.tenant_id, f"user/{account.user_id}")
    return await _start(await asking.from_here(account.user_id), account)


@router.get("/me", responses=responses(NotAuthenticated, NotFound))
async def me(caller: CallerDep) -> MeOut:
    """Who the credential speaks for."""
    identity = caller.gateway.identity
    user = await identity.user(caller.tenant_id, caller.principal.user_id)
    return MeOut(user=user_out(user), tenant=await identity.tenant(caller.tenant_id))


@router.post("/refresh", responses=responses(NotAuthenticated, Unavailable))
async def refresh(body: RefreshIn, asking: AnybodyDep) -> LoginOut:
    """Exchange a refresh token for a new pair. A spent one that comes again ends the session."""
    gateway = asking.gateway
    claims = gateway.signed.read_refresh(body.refresh_token)
    session = await gateway.identity.session(claims.tenant_id, claims.session_id)
    if session is None:
        raise NotAuthenticated("Invalid or expired refresh token")
    asking = asking.within(claims.tenant_id, f"user/{session.user_id}")
    expires_at = _session_end(asking)
    await asking.order(
        RefreshSession(
            session_id=claims.session_id, generation=claims.generation, expires_at=expires_at
        )
    )
    return await _tokens(asking, claims.tenant_id, claims.session_id)


@router.post(
    "/logout",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, Unavailable),
)
async def logout(request: Request, asking: AnybodyDep, body: LogoutIn | None = None) -> None:
    """End the session of the access token, or that of a refresh token."""
    principal = getattr(request.state, "principal", None)
    if body is not None and body.refresh_token is not None:
        claims = asking.gateway.signed.read_refresh(body.refresh_token)
        tenant_id, session_id = claims.tenant_id, claims.session_id
    elif principal is not None and principal.kind == "session":
        tenant_id, session_id = principal.tenant_id, principal.id
    elif principal is not None:
        raise NotPermitted("Only a login can be ended; an API token is revoked")
    else:
        raise getattr(request.state, "refused", None) or NotAuthenticated("Not authenticated")
    await asking.within(tenant_id, f"session/{session_id}").order(EndSession(session_id=session_id))


@router.post(
    "/password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, Conflict),
)
async def change_password(body: PasswordIn, caller: CallerDep) -> Response:
    """Change one's own password. All other sessions end with it."""
    if caller.principal.kind != "session":
        raise NotPermitted("Log in to change the password; an API token cannot")
    gateway, user_id = caller.gateway, caller.principal.user_id

    async def at_home() -> bool:
        return True

    attempt = await gateway.throttle.attempt(f"user/{user_id}", caller.address, at_home)
    ref = await gateway.identity.password_ref(caller.tenant_id, user_id)
    kept = await gateway.vault.get(caller.tenant_id, ref)
    if not await gateway.passwords.verify(kept, body.current_password):
        raise NotPermitted("The current password is not right", field="current_password")
    await attempt.succeeded()
    async with password_kept(caller, user_id, body.new_password) as new_ref:
        await caller.order(
            ChangePassword(
                tenant_id=caller.tenant_id,
                user_id=user_id,
                password_ref=new_ref,
                kept_session=caller.principal.id,
            )
        )
    await gateway.vault.remove(caller.tenant_id, ref)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@asynccontextmanager
async def password_kept(asking: Asking, user_id: str, password: str) -> AsyncGenerator[str, None]:
    """Where in the vault the hash lies from now on; it is removed if the order is refused.

    Every password has a place of its own: one that is replaced may still be in use.
    """
    vault, tenant_id = asking.gateway.vault, asking.metadata.tenant_id
    ref = f"password/{user_id}/{asking.id_for('password')}"
    await vault.put(tenant_id, ref, await asking.gateway.passwords.hash(password))
    try:
        yield ref
    except (Conflict, NotFound, NotPermitted):
        await vault.remove(tenant_id, ref)
        raise


def _the_one(matching: Sequence[Account]) -> Account:
    """Raise a problem in the words of the contract unless exactly one can be logged in to."""
    usable = [one for one in matching if one.user_active and one.tenant_active]
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise ProblemError(
            status.HTTP_422_UNPROCESSABLE_CONTENT,
            "tenant-slug-required",
            "Several tenants have an account with this e-mail and password: send tenant_slug",
            field="tenant_slug",
            extra={"tenant_slugs": [one.tenant_slug for one in usable]},
        )
    if any(one.tenant_active for one in matching):
        raise NotPermitted("Account is disabled")
    raise NotPermitted("Tenant is disabled")


async def _verify(asking: Asking, account: Account, password: str) -> bool:
    gateway = asking.gateway
    kept = await gateway.vault.get(account.tenant_id, account.password_ref)
    if not await gateway.passwords.verify(kept, password):
        return False
    if kept is not None and gateway.passwords.needs_rehash(kept):
        stronger = await gateway.passwords.hash(password)
        await gateway.vault.put(account.tenant_id, account.password_ref, stronger)
    return True


async def _start(asking: Asking, account: Account) -> LoginOut:
    session_id = asking.id_for("session")
    await asking.order(
        StartSession(
            session_id=session_id,
            user_id=account.user_id,
            expires_at=_session_end(asking),
            address_hash=await _address_hash(asking, account.tenant_id),
        )
    )
    return await _tokens(asking, account.tenant_id, session_id)


async def _tokens(asking: Asking, tenant_id: str, session_id: str) -> LoginOut:
    """The tokens of a session as it stands. Raises `NotAuthenticated` if it is over."""
    gateway, now = asking.gateway, asking.metadata.now
    session = await gateway.identity.session(tenant_id, session_id)
    if session is None:
        raise NotAuthenticated("Invalid or expired refresh token")
    claims = AccessClaims(tenant_id=tenant_id, user_id=session.user_id, session_id=session_id)
    access, seconds = gateway.signed.access(claims, session.role, now)
    next_one = RefreshClaims(
        tenant_id=tenant_id, session_id=session_id, generation=session.generation
    )
    user = await gateway.identity.user(tenant_id, session.user_id)
    return LoginOut(
        access_token=access,
        expires_in=seconds,
        refresh_token=gateway.signed.refresh(next_one, now, session.expires_at),
        user=user_out(user),
        tenant=await gateway.identity.tenant(tenant_id),
    )


async def _knows_address(asking: Asking, accounts: Sequence[Account]) -> bool:
    since = asking.metadata.now - timedelta(days=HOME_DAYS)
    for account in accounts:
        hashed = await _address_hash(asking, account.tenant_id)
        if await asking.gateway.identity.knows_address(
            account.tenant_id, account.user_id, hashed, since
        ):
            return True
    return False


async def _address_hash(asking: Asking, tenant_id: str) -> str:
    key = await asking.gateway.vault.data_key(tenant_id, "tenant", create=True)
    if key is None:
        raise Unavailable("the tenant's key is not there")
    return hmac.new(key, f"address {asking.address}".encode(), hashlib.sha256).hexdigest()


def _session_end(asking: Asking) -> datetime:
    return asking.metadata.now + timedelta(days=asking.gateway.session_days)
