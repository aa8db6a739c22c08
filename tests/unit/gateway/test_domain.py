"""What may happen to tenants and API tokens."""

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from services.gateway.domain import (
    NoToken,
    Tenant,
    Token,
    TokenState,
    tenant_decider,
    token_decider,
)
from shared.contracts.base import Metadata
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
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.testing import Scenario
from tests.unit.histories import play
from tests.unit.samples import T0

TenantScenario = Scenario[Tenant, RegisterTenant, TenantEvent]
TokenScenario = Scenario[TokenState, ApiTokenCommand, ApiTokenEvent]

REGISTER = RegisterTenant(
    tenant_id="t1",
    name="Acme",
    slug="acme",
    owner_id="u1",
    owner_email="ada@acme.example",
    owner_email_hash="hash-of-ada",
    owner_display_name="Ada",
    password_ref="password/u1",
    token_id="k1",
    token_hash="hash-of-token",
    token_prefix="nrag_live_abcdef",
)
REGISTERED = TenantRegistered(tenant_id="t1", tenant_name="Acme", slug="acme", plan="free")
ISSUE = IssueApiToken(
    token_id="k2",
    token_name="ci",
    token_hash="hash-2",
    token_prefix="nrag_live_ghijkl",
    user_id="u1",
    expires_at=T0 + timedelta(days=1),
)
ISSUED = ApiTokenIssued(
    token_id="k2",
    token_name="ci",
    token_hash="hash-2",
    token_prefix="nrag_live_ghijkl",
    user_id="u1",
    expires_at=T0 + timedelta(days=1),
)
REVOKE = RevokeApiToken(token_id="k2")
REVOKED = ApiTokenRevoked(token_id="k2", token_hash="hash-2")


@pytest.fixture
def tenant(metadata: Metadata) -> TenantScenario:
    return Scenario(tenant_decider, metadata)


@pytest.fixture
def token(metadata: Metadata) -> TokenScenario:
    return Scenario(token_decider, metadata)


class TestRegisteringATenant:
    def test_makes_tenant_slug_owner_email_and_token_together(self, tenant: TenantScenario) -> None:
        tenant.given().when(REGISTER).then(
            REGISTERED,
            SlugClaimed(slug="acme", tenant_id="t1"),
            UserCreated(
                user_id="u1",
                email="ada@acme.example",
                display_name="Ada",
                role="owner",
                password_ref="password/u1",
            ),
            EmailClaimed(email_hash="hash-of-ada", user_id="u1"),
            ApiTokenIssued(
                token_id="k1",
                token_name="default",
                token_hash="hash-of-token",
                token_prefix="nrag_live_abcdef",
                user_id="u1",
                expires_at=None,
            ),
        )

    def test_a_second_time_is_refused(self, tenant: TenantScenario) -> None:
        tenant.given(REGISTERED).when(REGISTER).then_refused(Conflict, "exists already")

    def test_leaves_a_tenant_with_its_slug(self, tenant: TenantScenario) -> None:
        tenant.given(REGISTERED).then_state(Tenant(slug="acme"))

    def test_keeps_the_slugs_claim_apart_from_all_tenants(self) -> None:
        claim = SlugClaimed(slug="acme", tenant_id="t1")
        assert claim.spans_tenants
        assert claim.taken == "Slug 'acme' is already taken"
        assert not EmailClaimed(email_hash="h", user_id="u1").spans_tenants


class TestIssuingAToken:
    def test_is_told_with_everything_but_the_token_itself(self, token: TokenScenario) -> None:
        token.given().when(ISSUE).then(ISSUED)

    def test_under_a_known_id_is_refused(self, token: TokenScenario) -> None:
        token.given(ISSUED).when(ISSUE).then_refused(Conflict, "exists already")
        token.given(ISSUED, REVOKED).when(ISSUE).then_refused(Conflict)


class TestRevokingAToken:
    def test_tells_the_hash_so_that_caches_can_drop_it(self, token: TokenScenario) -> None:
        token.given(ISSUED).when(REVOKE).then(REVOKED)

    def test_twice_is_once(self, token: TokenScenario) -> None:
        token.given(ISSUED, REVOKED).when(REVOKE).then_nothing()

    def test_that_nobody_issued_is_refused(self, token: TokenScenario) -> None:
        token.given().when(REVOKE).then_refused(NotFound, "Token not found")

    def test_is_for_good(self, token: TokenScenario) -> None:
        token.given(ISSUED, REVOKED).then_state(Token(token_hash="hash-2", revoked=True))

    def test_of_an_unknown_token_means_nothing(self, token: TokenScenario) -> None:
        token.given(REVOKED).then_state(NoToken())


@given(st.lists(st.sampled_from([ISSUE, REVOKE]), max_size=10))
def test_a_token_is_issued_once_and_revoked_at_most_once(orders: list[ApiTokenCommand]) -> None:
    state, happened = play(token_decider, orders)
    assert happened == [ISSUED, REVOKED][: len(happened)]
    assert isinstance(state, Token) == bool(happened)


@given(st.lists(st.just(REGISTER), max_size=4))
def test_a_tenant_is_registered_at_most_once(orders: list[RegisterTenant]) -> None:
    state, happened = play(tenant_decider, orders)
    assert happened == [REGISTERED][: len(orders)]
    assert state.slug == ("acme" if orders else None)
