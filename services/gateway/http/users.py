"""/v1/users."""

from typing import Annotated, Any

from fastapi import APIRouter, status
from pydantic import BaseModel, Field

from services.gateway.http.auth import password_kept
from services.gateway.http.context import Caller, CallerDep, Id, Text
from services.gateway.http.views import UserOut, user_out
from shared.contracts.gateway import CreateUser, DeactivateUser, Role, UpdateUser
from shared.kernel.emails import email_hash
from shared.kernel.errors import Conflict, NotAuthenticated, NotFound, NotPermitted, Unavailable
from shared.web.problem import responses

router = APIRouter(prefix="/v1/users", tags=["users"])

REFUSALS = responses(NotAuthenticated, NotPermitted, NotFound, Conflict, Unavailable)


class UserIn(BaseModel):
    email: Annotated[Text, Field(max_length=320)]
    password: Annotated[str, Field(min_length=8, max_length=128)]
    display_name: Annotated[Text, Field(max_length=255)] = ""
    role: Role = "member"


class UserPatch(UserIn):
    is_active: bool = True
    """False takes the account away, true gives it back."""


class RoleIn(BaseModel):
    role: Role


@router.post("", status_code=status.HTTP_201_CREATED, responses=REFUSALS)
async def create(body: UserIn, caller: CallerDep) -> UserOut:
    """Add a user. Admins add members and admins, owners also owners."""
    user_id = caller.id_for("user")
    async with password_kept(caller, user_id, body.password) as ref:
        await caller.order(
            CreateUser(
                tenant_id=caller.tenant_id,
                user_id=user_id,
                actor_id=caller.principal.user_id,
                email=body.email,
                email_hash=await _email_hash(caller, body.email),
                display_name=body.display_name,
                role=body.role,
                password_ref=ref,
            )
        )
    return user_out(await caller.gateway.identity.user(caller.tenant_id, user_id))


@router.get("", responses=responses(NotAuthenticated))
async def list_users(caller: CallerDep) -> list[UserOut]:
    """All users by e-mail, inactive ones included."""
    return [user_out(user) for user in await caller.gateway.identity.users(caller.tenant_id)]


@router.patch("/{user_id}", responses=REFUSALS)
async def patch(user_id: Id, body: UserPatch, caller: CallerDep) -> UserOut:
    """Change the fields that are sent; e-mail and password always are. Another password ends the
    user's sessions.
    """
    identity, sent = caller.gateway.identity, body.model_fields_set
    before = await identity.user(caller.tenant_id, user_id)
    old_ref = await identity.password_ref(caller.tenant_id, user_id)
    changes: dict[str, Any] = {
        name: getattr(body, name)
        for name in ("display_name", "role", "is_active")
        if name in sent and getattr(body, name) != getattr(before, name)
    }
    if body.email != before.email:
        changes["email"] = body.email
        changes["email_hash"] = await _email_hash(caller, body.email)
    command = UpdateUser(
        tenant_id=caller.tenant_id, user_id=user_id, actor_id=caller.principal.user_id, **changes
    )
    kept = await caller.gateway.vault.get(caller.tenant_id, old_ref)
    if await caller.gateway.passwords.verify(kept, body.password):
        await caller.order(command)
    else:
        async with password_kept(caller, user_id, body.password) as ref:
            await caller.order(command.model_copy(update={"password_ref": ref}))
        await caller.gateway.vault.remove(caller.tenant_id, old_ref)
    return user_out(await identity.user(caller.tenant_id, user_id))


@router.patch("/{user_id}/role", responses=REFUSALS)
async def change_role(user_id: Id, body: RoleIn, caller: CallerDep) -> UserOut:
    """Give a user another role, and leave everything else as it is. Admins give and take the roles
    member and admin, owners all; nobody lowers the own one, so that an owner is always left.
    """
    await caller.order(
        UpdateUser(
            tenant_id=caller.tenant_id,
            user_id=user_id,
            actor_id=caller.principal.user_id,
            role=body.role,
        )
    )
    return user_out(await caller.gateway.identity.user(caller.tenant_id, user_id))


@router.delete("/{user_id}", status_code=status.HTTP_204_NO_CONTENT, responses=REFUSALS)
async def deactivate(user_id: Id, caller: CallerDep) -> None:
    """Take an account away. It can still be seen, and given back by PATCH."""
    await caller.order(
        DeactivateUser(
            tenant_id=caller.tenant_id,
            user_id=user_id,
            actor_id=caller.principal.user_id,
        )
    )


async def _email_hash(caller: Caller, email: str) -> str:
    key = await caller.gateway.vault.data_key(caller.tenant_id, "tenant", create=True)
    if key is None:
        raise Unavailable("the tenant's key is not there")
    return email_hash(key, email)
