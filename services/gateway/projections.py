"""Facts about tenants, users and tokens → rows."""

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.tables import api_tokens, tenants, users
from shared.contracts.base import Event, Recorded
from shared.contracts.gateway import (
    ApiTokenIssued,
    ApiTokenRevoked,
    TenantRegistered,
    UserCreated,
)


class Identity:
    """Who is who, and by which token."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        tenant_id, at = recorded.tenant_id, recorded.at
        match recorded.event:
            case TenantRegistered() as event:
                row = {
                    "tenant_id": tenant_id,
                    "name": event.tenant_name,
                    "slug": event.slug,
                    "plan": event.plan,
                    "is_active": True,
                    "created_at": at,
                }
                await db.execute(insert(tenants).values(row))
            case UserCreated() as event:
                row = {
                    "tenant_id": tenant_id,
                    "id": event.user_id,
                    "email": event.email,
                    "display_name": event.display_name,
                    "role": event.role,
                    "password_ref": event.password_ref,
                    "is_active": True,
                    "created_at": at,
                }
                await db.execute(insert(users).values(row))
            case ApiTokenIssued() as event:
                row = {
                    "tenant_id": tenant_id,
                    "id": event.token_id,
                    "name": event.token_name,
                    "token_hash": event.token_hash,
                    "token_prefix": event.token_prefix,
                    "user_id": event.user_id,
                    "is_active": True,
                    "expires_at": event.expires_at,
                    "created_at": at,
                }
                await db.execute(insert(api_tokens).values(row))
            case ApiTokenRevoked() as event:
                await db.execute(
                    update(api_tokens)
                    .where(api_tokens.c.tenant_id == tenant_id, api_tokens.c.id == event.token_id)
                    .values(is_active=False)
                )
            case _:
                pass
