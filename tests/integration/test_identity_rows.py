"""What the log says about tenants, users and tokens, as the gateway's rows show it."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from services.gateway.main import IDENTITY
from services.gateway.queries import IdentityQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.gateway import (
    ApiTokenIssued,
    ApiTokenRevoked,
    SlugClaimed,
    TenantRegistered,
    UserCreated,
)
from shared.kernel.errors import NotFound
from tests.integration.replay import ProjectionContract, replay


def issued(token_id: str, mark: str) -> ApiTokenIssued:
    return ApiTokenIssued(
        token_id=token_id,
        token_name=f"Token {token_id}",
        token_hash=f"hash-{token_id}-{mark}",
        token_prefix="nrag_live_abc",
        user_id="u1",
    )


def registered(mark: str) -> Sequence[Event]:
    """A tenant; `mark` stands in what is unique across tenants."""
    return (
        TenantRegistered(tenant_id="t1", tenant_name="Acme", slug=f"acme-{mark}"),
        SlugClaimed(slug=f"acme-{mark}", tenant_id="t1"),
        UserCreated(
            tenant_id="t1",
            user_id="u1",
            email_hash="e" * 64,
            email="ada@example.com",
            display_name="Ada",
            role="owner",
            password_ref="user/u1",
        ),
        issued("k1", mark),
        issued("k2", mark),
        ApiTokenRevoked(token_id="k1", token_hash=f"hash-k1-{mark}"),
    )


class TestIdentity(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("gateway")

    @pytest.fixture
    def model(self) -> ReadModel:
        return IDENTITY

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return registered("a")

    @override
    def of_another_tenant(self, events: Sequence[Event]) -> Sequence[Event]:
        return registered("b")

    async def test_shows_the_tenant_to_itself(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        await replay(store, past)
        queries = IdentityQueries(store)
        found = await queries.tenant(tenant_id)
        assert (found.id, found.name, found.slug, found.is_active) == (
            tenant_id,
            "Acme",
            "acme-a",
            True,
        )
        with pytest.raises(NotFound):
            await queries.tenant(other_tenant_id)

    async def test_shows_tokens_newest_first_with_those_that_were_revoked(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        await replay(store, past)
        queries = IdentityQueries(store)
        found = await queries.api_tokens(tenant_id)
        assert [(token.id, token.is_active) for token in found] == [("k2", True), ("k1", False)]
        assert (await queries.api_token(tenant_id, "k2")).name == "Token k2"
        assert await queries.api_tokens(other_tenant_id) == []
        with pytest.raises(NotFound):
            await queries.api_token(other_tenant_id, "k2")

    async def test_only_an_active_token_speaks_for_somebody(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries = IdentityQueries(store)
        principal = await queries.of_token("hash-k2-a")
        assert principal is not None
        assert (principal.tenant_id, principal.user_id, principal.role, principal.id) == (
            tenant_id,
            "u1",
            "owner",
            "k2",
        )
        assert await queries.of_token("hash-k1-a") is None
        assert await queries.of_token("hash-of-nobody") is None
