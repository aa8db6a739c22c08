"""What may happen to a widget key, and which pages may use it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from services.gateway.domain.widget_keys import KeyState, allows, widget_key_decider
from shared.contracts.base import Metadata
from shared.contracts.gateway import (
    CreateWidgetKey,
    RevokeWidgetKey,
    UpdateWidgetKey,
    WidgetKeyCommand,
    WidgetKeyCreated,
    WidgetKeyEvent,
    WidgetKeyRevoked,
    WidgetKeySettings,
    WidgetKeyUpdated,
    WidgetQuotas,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from shared.kernel.testing import Scenario

META = Metadata(
    tenant_id="t", message_id="m", correlation_id="c", now=datetime(2026, 1, 1, tzinfo=UTC)
)
SITE = "https://shop.example"
SETTINGS = WidgetKeySettings(key_name="site", allowed_origins=(SITE,))
CREATE = CreateWidgetKey(key_id="k", public_key="nrag_pk_x", bot_profile_id="b", settings=SETTINGS)
CREATED = WidgetKeyCreated(
    key_id="k", public_key="nrag_pk_x", bot_profile_id="b", settings=SETTINGS
)
REVOKED = WidgetKeyRevoked(key_id="k")


@pytest.fixture
def key() -> Scenario[KeyState, WidgetKeyCommand, WidgetKeyEvent]:
    return Scenario(widget_key_decider, META)


KeyScenario = Scenario[KeyState, WidgetKeyCommand, WidgetKeyEvent]


class TestDeciding:
    def test_it_is_made_once(self, key: KeyScenario) -> None:
        key.given().when(CREATE).then(CREATED)
        key.given(CREATED).when(CREATE).then_refused(Conflict)

    def test_a_change_leaves_the_rest(self, key: KeyScenario) -> None:
        command = UpdateWidgetKey(key_id="k", quotas=WidgetQuotas(questions_per_day=7))
        settings = SETTINGS.model_copy(update={"quotas": WidgetQuotas(questions_per_day=7)})
        key.given(CREATED).when(command).then(WidgetKeyUpdated(key_id="k", settings=settings))

    def test_a_change_of_nothing_is_nothing(self, key: KeyScenario) -> None:
        key.given(CREATED).when(UpdateWidgetKey(key_id="k", key_name="site")).then_nothing()

    def test_it_is_revoked_for_good(self, key: KeyScenario) -> None:
        key.given(CREATED).when(RevokeWidgetKey(key_id="k")).then(REVOKED)
        key.given(CREATED, REVOKED).when(RevokeWidgetKey(key_id="k")).then_nothing()
        change = UpdateWidgetKey(key_id="k", key_name="new")
        key.given(CREATED, REVOKED).when(change).then_refused(Conflict)

    def test_one_that_is_not_there_is_not_found(self, key: KeyScenario) -> None:
        for command in (RevokeWidgetKey(key_id="k"), UpdateWidgetKey(key_id="k")):
            key.given().when(command).then_refused(NotFound)

    @pytest.mark.parametrize(
        "origin",
        ["", "*", "null", "shop.example", "ftp://shop.example", "https://", "https://*",
         "https://shop.example/", "https://Shop.example", "https://a.*.example",
         "https://shop.example:port", "https://-a.example", "https://a..b", SITE + "\n"],
    )  # fmt: skip
    def test_what_is_no_origin_is_refused(self, key: KeyScenario, origin: str) -> None:
        command = UpdateWidgetKey(key_id="k", allowed_origins=(origin,))
        key.given(CREATED).when(command).then_refused(InvalidCommand)


class TestAllowing:
    @pytest.mark.parametrize(
        ("allowed", "origin", "expected"),
        [
            (SITE, SITE, True),
            (SITE, "https://shop.example.evil.example", False),
            (SITE, "http://shop.example", False),
            ("https://*.shop.example", "https://www.shop.example", True),
            ("https://*.shop.example", "https://a.b.shop.example", True),
            ("https://*.shop.example", SITE, False),
            ("https://*.shop.example", "https://evilshop.example", False),
            ("https://*.shop.example", "http://www.shop.example", False),
            ("https://*.shop.example", "https://evil.example/.shop.example", False),
            ("https://*.shop.example", "https://www.shop.example:8443", False),
            ("https://*.shop.example:8443", "https://www.shop.example:8443", True),
            ("http://[::1]:3000", "http://[::1]:3000", True),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ],
    )
    def test_a_page_is_let_in_or_not(self, allowed: str, origin: str, *, expected: bool) -> None:
        assert allows((allowed,), origin) is expected

    def test_without_origins_no_page_is(self) -> None:
        assert not allows((), SITE)

    @given(st.text())
    def test_no_text_gets_in_by_accident(self, text: str) -> None:
        assert not allows(("https://*.shop.example",), text + ".shop.example.evil")
