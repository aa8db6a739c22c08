"""How identity is shown."""

from pydantic import BaseModel

from services.gateway.http.context import Timestamp
from services.gateway.queries import TenantView, UserView
from shared.contracts.gateway import Role, Scope


class UserOut(BaseModel):
    id: str
    tenant_id: str
    email: str
    display_name: str
    role: Role
    is_active: bool


class ApiTokenOut(BaseModel):
    id: str
    tenant_id: str
    name: str
    token_prefix: str
    scopes: list[Scope] | None
    """Null: all that the role of its maker allows."""
    bot_profile_id: str | None
    is_active: bool
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp


class MeOut(BaseModel):
    user: UserOut
    tenant: TenantView


class LoginOut(MeOut):
    access_token: str
    token_type: str = "bearer"  # noqa: S105  RFC 6750
    expires_in: int
    """Seconds that the access token lasts."""
    refresh_token: str
    """For `POST /v1/auth/refresh`, once: each answer brings the next."""


def user_out(user: UserView) -> UserOut:
    return UserOut.model_validate(user.model_dump())
