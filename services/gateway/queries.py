"""Questions about identity, answered from rows."""

from sqlalchemy import select

from services.gateway.tables import api_tokens, tenants, users
from shared.adapters.read_model import ReadModelStore
from shared.contracts.gateway import ApiTokenView, Principal, TenantView
from shared.kernel.errors import NotFound


class IdentityQueries:
    """Reads the model `gateway_identity`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def principal(self, token_hash: str) -> Principal | None:
        """Who an active token speaks for. The one query that spans tenants: the token tells."""
        query = (
            select(
                api_tokens.c.tenant_id,
                api_tokens.c.id.label("token_id"),
                api_tokens.c.user_id,
                api_tokens.c.expires_at,
                users.c.role,
                users.c.is_active.label("user_active"),
            )
            .join(
                users,
                (users.c.tenant_id == api_tokens.c.tenant_id)
                & (users.c.id == api_tokens.c.user_id),
            )
            .where(api_tokens.c.token_hash == token_hash, api_tokens.c.is_active)
        )
        async with self._store.engine.connect() as db:
            row = (await db.execute(query)).mappings().one_or_none()
        return None if row is None else Principal.model_validate(dict(row))

    async def tenant(self, tenant_id: str) -> TenantView:
        """Raise `NotFound` if there is none."""
        async with self._store.reading(tenant_id) as db:
            query = select(tenants, tenants.c.tenant_id.label("id")).where(
                tenants.c.tenant_id == tenant_id
            )
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Tenant not found")
        return TenantView.model_validate(dict(row))

    async def api_tokens(self, tenant_id: str) -> list[ApiTokenView]:
        """Newest first, revoked ones included."""
        query = (
            select(api_tokens)
            .where(api_tokens.c.tenant_id == tenant_id)
            .order_by(api_tokens.c.created_at.desc(), api_tokens.c.id)
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).mappings().all()
        return [ApiTokenView.model_validate(dict(row)) for row in rows]

    async def api_token(self, tenant_id: str, token_id: str) -> ApiTokenView:
        """Raise `NotFound` if the tenant has no such token."""
        query = select(api_tokens).where(
            api_tokens.c.tenant_id == tenant_id, api_tokens.c.id == token_id
        )
        async with self._store.reading(tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Token not found")
        return ApiTokenView.model_validate(dict(row))
