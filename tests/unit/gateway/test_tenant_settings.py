"""What may happen to a tenant, and to an API token, once they are there."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from services.gateway.domain.tenants import TenantState, tenant_decider
from services.gateway.domain.tokens import USE_TOLD_EVERY, NoToken, TokenState, token_decider
from shared.contracts.base import Metadata
from shared.contracts.gateway import (
    ApiTokenCommand,
    ApiTokenEvent,
    ApiTokenIssued,
    ApiTokenRevoked,
    ApiTokenUsed,
    DeactivateTenant,
    IssueApiToken,
    ReactivateTenant,
    RecordTokenUse,
    RegisterTenant,
    RevokeApiToken,
    SlugClaimed,
    TenantCommand,
    TenantDeactivated,
    TenantEvent,
    TenantReactivated,
    TenantRegistered,
    TenantUpdated,
    UpdateTenant,
    UserCreated,
)
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.testing import Scenario
from tests.unit.histories import play

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
META = Metadata(tenant_id="t", message_id="m", correlation_id="c", now=NOW)
REGISTER = RegisterTenant(
    tenant_id="t",
    name="Acme",
    slug="acme",
    owner_id="u",
    owner_email="a@example.com",
    owner_email_hash="h",
    owner_display_name="Anna",
    password_ref="password/u",
    token_id="k",
    token_hash="th",
    token_prefix="nrag_live_abcdef",
)
REGISTERED = TenantRegistered(tenant_id="t", tenant_name="Acme", slug="acme")
DEACTIVATED = TenantDeactivated(tenant_id="t")

TenantScenario = Scenario[TenantState, TenantCommand, TenantEvent]
TokenScenario = Scenario[TokenState, ApiTokenCommand, ApiTokenEvent]


@pytest.fixture
def tenant() -> TenantScenario:
    return Scenario(tenant_decider, META)


@pytest.fixture
def token() -> TokenScenario:
    return Scenario(token_decider, META)


class TestTenants:
    def test_it_comes_with_slug_owner_and_token(self, tenant: TenantScenario) -> None:
        tenant.given().when(REGISTER).then(
            REGISTERED,
            SlugClaimed(slug="acme", tenant_id="t"),
            UserCreated(
                tenant_id="t",
                user_id="u",
                email="a@example.com",
                email_hash="h",
                display_name="Anna",
                role="owner",
                password_ref="password/u",
            ),
            ApiTokenIssued(
                token_id="k",
                token_name="default",
                token_hash="th",
                token_prefix="nrag_live_abcdef",
                user_id="u",
            ),
        )
        tenant.given(REGISTERED).when(REGISTER).then_refused(Conflict)

    def test_a_change_leaves_the_rest(self, tenant: TenantScenario) -> None:
        change = UpdateTenant(tenant_id="t", browser_tokens="all")
        tenant.given(REGISTERED).when(change).then(
            TenantUpdated(tenant_id="t", tenant_name="Acme", browser_tokens="all")
        )
        same = UpdateTenant(tenant_id="t", name="Acme", browser_tokens="bot_bound")
        tenant.given(REGISTERED).when(same).then_nothing()

    def test_an_empty_name_is_a_name(self, tenant: TenantScenario) -> None:
        tenant.given(REGISTERED).when(UpdateTenant(tenant_id="t", name="")).then(
            TenantUpdated(tenant_id="t", tenant_name="", browser_tokens="bot_bound")
        )

    def test_it_is_shut_out_and_let_in_once_each(self, tenant: TenantScenario) -> None:
        out, back = DeactivateTenant(tenant_id="t"), ReactivateTenant(tenant_id="t")
        tenant.given(REGISTERED).when(out).then(DEACTIVATED)
        tenant.given(REGISTERED, DEACTIVATED).when(out).then_nothing()
        tenant.given(REGISTERED).when(back).then_nothing()
        tenant.given(REGISTERED, DEACTIVATED).when(back).then(TenantReactivated(tenant_id="t"))

    def test_one_that_is_not_there_is_not_found(self, tenant: TenantScenario) -> None:
        for command in (UpdateTenant(tenant_id="t"), DeactivateTenant(tenant_id="t")):
            tenant.given().when(command).then_refused(NotFound)


ISSUED = ApiTokenIssued(
    token_id="k",
    token_name="n",
    token_hash="th",
    token_prefix="nrag_live_abcdef",
    user_id="u",
    scopes=("chat",),
    bot_profile_id="b",
    expires_at=NOW + timedelta(days=1),
)


class TestTokens:
    def test_it_is_issued_once_with_all_that_was_said(self, token: TokenScenario) -> None:
        issue = IssueApiToken(**ISSUED.model_dump())
        token.given().when(issue).then(ISSUED)
        token.given(ISSUED).when(issue).then_refused(Conflict)

    def test_it_is_revoked_once(self, token: TokenScenario) -> None:
        revoked = ApiTokenRevoked(token_id="k", token_hash="th")
        token.given(ISSUED).when(RevokeApiToken(token_id="k")).then(revoked)
        token.given(ISSUED, revoked).when(RevokeApiToken(token_id="k")).then_nothing()
        token.given().when(RevokeApiToken(token_id="k")).then_refused(NotFound)

    def test_of_one_that_nobody_issued_nothing_means_anything(self, token: TokenScenario) -> None:
        token.given(ApiTokenRevoked(token_id="k", token_hash="th")).then_state(NoToken())
        token.given(ApiTokenUsed(token_id="k", used_at=NOW)).then_state(NoToken())

    def test_its_use_is_told_now_and_then(self, token: TokenScenario) -> None:
        used = ApiTokenUsed(token_id="k", used_at=NOW)
        token.given(ISSUED).when(RecordTokenUse(token_id="k", used_at=NOW)).then(used)
        soon = RecordTokenUse(token_id="k", used_at=NOW + USE_TOLD_EVERY / 2)
        token.given(ISSUED, used).when(soon).then_nothing()
        later = NOW + USE_TOLD_EVERY
        token.given(ISSUED, used).when(RecordTokenUse(token_id="k", used_at=later)).then(
            ApiTokenUsed(token_id="k", used_at=later)
        )


orders = st.one_of(
    st.just(IssueApiToken(**ISSUED.model_dump())),
    st.just(RevokeApiToken(token_id="k")),
    st.builds(
        lambda minutes: RecordTokenUse(token_id="k", used_at=NOW + timedelta(minutes=minutes)),
        st.integers(0, 60),
    ),
)


@given(st.lists(orders, max_size=12))
def test_a_token_is_issued_once_and_revoked_at_most_once(commands: list[ApiTokenCommand]) -> None:
    _, happened = play(token_decider, commands)
    names = [event.name for event in happened]
    assert names.count("issued") <= 1
    assert names.count("revoked") <= 1
    assert names[:1] in ([], ["issued"])


@given(st.lists(st.just(REGISTER), max_size=4))
def test_a_tenant_is_registered_at_most_once(commands: list[RegisterTenant]) -> None:
    _, happened = play(tenant_decider, commands)
    assert happened == [REGISTERED][: len(commands)]
