"""API tokens: their life, their scopes, and those bound to one bot."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.harness import Tenant, answers, eventually

TOKEN = {
    "id",
    "tenant_id",
    "name",
    "token_prefix",
    "is_active",
    "expires_at",
    "last_used_at",
    "created_at",
}
ELSEWHERE = {"Origin": "https://shop.example"}


def issue(tenant: Tenant, **fields: Any) -> dict[str, Any]:
    answer = tenant.http.post("/v1/api-tokens", json={"name": "t", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


class TestLife:
    def test_it_is_shown_once_and_then_by_its_beginning(self, tenant: Tenant) -> None:
        made = issue(tenant, name="for the shop")
        assert set(made) >= TOKEN | {"raw_token"}
        assert made["raw_token"].startswith(made["token_prefix"])
        assert len(made["raw_token"]) > len("nrag_live_") + 32
        assert (made["name"], made["expires_at"], made["is_active"]) == ("for the shop", None, True)
        shown = tenant.http.get("/v1/api-tokens").json()
        assert shown[0]["id"] == made["id"]
        assert "raw_token" not in shown[0]
        assert made["raw_token"] not in tenant.http.get("/v1/api-tokens").text

    def test_a_revoked_one_opens_nothing_and_stays_listed(self, tenant: Tenant) -> None:
        made = issue(tenant)
        http = tenant.with_(made["raw_token"])
        assert http.get("/v1/sources").status_code == 200
        for _ in range(2):
            assert tenant.http.delete(f"/v1/api-tokens/{made['id']}").status_code == 204
        answer = answers(http, "/v1/sources", 401)
        assert answer.json()["detail"] == "Invalid or revoked API token"
        assert tenant.http.get("/v1/api-tokens").json()[0]["is_active"] is False

    def test_an_unknown_or_foreign_one_is_not_there(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        for token_id in (str(uuid.uuid4()), issue(other_tenant)["id"]):
            answer = tenant.http.delete(f"/v1/api-tokens/{token_id}")
            assert answer.status_code == 404
            assert answer.json()["detail"] == "Token not found"

    @pytest.mark.parametrize(
        "fields",
        [
            {"name": "n" * 256},
            {"name": None},
            {"scopes": []},
            {"scopes": ["everything"]},
            {"expires_at": "yesterday"},
            {"expires_at": "2020-01-01T00:00:00Z"},
            {"expires_at": "9999-12-31T23:59:59-12:00"},
            {"bot_profile_id": str(uuid.UUID(int=7))},
            {"bot_profile_id": "a.b"},
        ],
    )
    def test_what_does_not_fit_is_refused(self, tenant: Tenant, fields: dict[str, Any]) -> None:
        answer = tenant.http.post("/v1/api-tokens", json={"name": "n", **fields})
        assert answer.status_code == 422
        assert answer.json()["field"].split(".")[0] == next(iter(fields))

    def test_it_ends_when_it_was_said_to(self, tenant: Tenant) -> None:
        def soon_over(seconds: float) -> tuple[datetime, httpx.Response]:
            at = datetime.now(UTC) + timedelta(seconds=seconds)
            body = {"name": "n", "expires_at": at.replace(tzinfo=None).isoformat()}
            return at, tenant.http.post("/v1/api-tokens", json=body)

        soon, answer = soon_over(2)
        if answer.status_code == 422:  # it was over before it came, on a busy machine
            soon, answer = soon_over(60)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made["expires_at"] == soon.isoformat().replace("+00:00", "Z")
        answer = answers(tenant.with_(made["raw_token"]), "/v1/sources", 401)
        assert answer.json()["detail"] == "API token has expired"

    def test_its_use_is_told_but_not_written_for_every_request(self, tenant: Tenant) -> None:
        made = issue(tenant)
        http = tenant.with_(made["raw_token"])

        def used() -> str | None:
            found = {token["id"]: token for token in tenant.http.get("/v1/api-tokens").json()}
            at: str | None = found[made["id"]]["last_used_at"]
            return at

        assert used() is None
        http.get("/v1/sources").raise_for_status()
        first = eventually(used)
        for _ in range(20):
            http.get("/v1/sources").raise_for_status()
        assert used() == first


class TestForm:
    def test_a_mistyped_one_is_refused(self, tenant: Tenant) -> None:
        for n in (12, 30, 45):
            wrong = "b" if tenant.token[n] == "a" else "a"
            http = tenant.with_(tenant.token[:n] + wrong + tenant.token[n + 1 :])
            answer = http.get("/v1/tenants/me")
            assert answer.status_code == 401
            assert answer.json()["detail"] == "Invalid or revoked API token"

    def test_a_token_of_the_originals_form_is_refused_as_a_token(self, tenant: Tenant) -> None:
        answer = tenant.with_("A" * 43).get("/v1/tenants/me")
        assert answer.json()["detail"] == "Invalid or revoked API token"


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "allowed"),
        [
            ("read", {"read"}),
            ("chat", {"chat"}),
            ("write", {"write"}),
            ("admin", {"admin"}),
        ],
    )
    def test_a_token_is_good_for_what_it_says(
        self, tenant: Tenant, scope: str, allowed: set[str]
    ) -> None:
        bot = tenant.bot()
        http = tenant.with_(issue(tenant, scopes=[scope])["raw_token"])
        tried = {
            "read": http.get("/v1/sources"),
            "chat": http.post("/v1/chat", json={"bot_profile_id": bot, "message": "Hello?"}),
            "write": http.post("/v1/bot-profiles", json={"name": "n"}),
            "admin": http.post("/v1/api-tokens", json={"name": "n"}),
        }
        for needed, answer in tried.items():
            if needed in allowed:
                assert answer.is_success, (needed, answer.text)
            else:
                assert answer.status_code == 403
                assert answer.json()["detail"] == f"This token lacks the scope '{needed}'"

    def test_a_token_makes_none_that_may_more_or_lives_longer(self, tenant: Tenant) -> None:
        soon = datetime.now(UTC) + timedelta(hours=1)
        made = issue(tenant, scopes=["admin", "read"], expires_at=soon.isoformat())
        http = tenant.with_(made["raw_token"])
        answer = http.post("/v1/api-tokens", json={"name": "n", "scopes": ["write"]})
        assert (answer.status_code, answer.json()["field"]) == (403, "scopes")
        later = (soon + timedelta(hours=1)).isoformat()
        answer = http.post("/v1/api-tokens", json={"name": "n", "expires_at": later})
        assert (answer.status_code, answer.json()["field"]) == (403, "expires_at")
        child = http.post("/v1/api-tokens", json={"name": "n"}).json()
        assert sorted(child["scopes"]) == ["admin", "read"]
        assert child["expires_at"] == made["expires_at"]


class TestBoundToOneBot:
    @pytest.fixture
    def bot(self, tenant: Tenant) -> str:
        return tenant.bot(name="Shop", description="Knows the shop", system_prompt="a secret rule")

    @pytest.fixture
    def bound(self, tenant: Tenant, bot: str) -> httpx.Client:
        return tenant.with_(issue(tenant, bot_profile_id=bot)["raw_token"])

    def ask(self, http: httpx.Client, bot: str, **fields: Any) -> httpx.Response:
        body = {"bot_profile_id": bot, "message": "What is it?", **fields}
        return http.post("/v1/chat", json=body)

    def test_it_chats_with_that_bot_only(
        self, tenant: Tenant, bot: str, bound: httpx.Client
    ) -> None:
        assert self.ask(bound, bot).status_code == 200
        answer = self.ask(bound, tenant.bot())
        assert answer.status_code == 404
        assert answer.json()["detail"] == "Bot profile not found or inactive"

    def test_it_sees_the_bots_public_profile_only(
        self, tenant: Tenant, bot: str, bound: httpx.Client
    ) -> None:
        assert bound.get(f"/v1/bot-profiles/{bot}").json() == {
            "id": bot,
            "name": "Shop",
            "description": "Knows the shop",
            "is_active": True,
        }
        assert bound.get(f"/v1/bot-profiles/{tenant.bot()}").status_code == 404

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/bot-profiles"),
            ("GET", "/v1/sources"),
            ("GET", "/v1/users"),
            ("GET", "/v1/api-tokens"),
            ("GET", "/v1/widget/keys"),
            ("GET", "/v1/tenants/me"),
            ("GET", "/v1/auth/me"),
            ("PATCH", "/v1/tenants/me"),
            ("POST", "/v1/users"),
            ("POST", "/v1/api-tokens"),
            ("POST", "/v1/bot-profiles"),
            ("POST", "/v1/sources"),
            ("POST", "/v1/widget/keys"),
            ("POST", "/v1/auth/logout"),
        ],
    )
    def test_it_opens_nothing_else(self, bound: httpx.Client, method: str, path: str) -> None:
        body = None if method == "GET" else {"name": "n"}
        assert bound.request(method, path, json=body).status_code in (403, 422)
        assert bound.request("GET", path).status_code in (403, 405)

    def test_it_goes_on_with_its_own_chats_only(
        self, tenant: Tenant, bot: str, bound: httpx.Client
    ) -> None:
        own = self.ask(bound, bot).json()
        others = tenant.ask(bot, "What is it?")
        second = tenant.with_(issue(tenant, bot_profile_id=bot)["raw_token"])
        for http, chat, status in (
            (bound, own["chat_id"], 200),
            (bound, others["chat_id"], 404),
            (second, own["chat_id"], 404),
            (tenant.http, own["chat_id"], 200),
        ):
            answer = self.ask(http, bot, chat_id=chat)
            assert answer.status_code == status
            if status == 404:
                assert answer.json()["detail"] == "Chat session not found"

    def test_it_sees_its_own_turns_and_citations_only(self, tenant: Tenant, bot: str) -> None:
        source = tenant.source(bot, "# Guarantee\n\nThe guarantee on the frame is seven years.")
        tenant.ingest(source)
        tenant.ready(source)
        one, two = (tenant.with_(issue(tenant, bot_profile_id=bot)["raw_token"]) for _ in range(2))
        answer = self.ask(one, bot, message="How long is the guarantee on the frame?").json()
        for path in (
            f"/v1/chat/turns/{answer['turn_id']}",
            f"/v1/chat/turns/{answer['turn_id']}/stream",
            f"/v1/citations/{answer['citations'][0]['citation_id']}",
        ):
            assert one.get(path).status_code == 200
            assert tenant.http.get(path).status_code == 200
            assert two.get(path).status_code == 404


class TestInBrowsers:
    def test_a_secret_token_from_another_sites_page_is_refused(self, tenant: Tenant) -> None:
        answer = tenant.http.get("/v1/sources", headers=ELSEWHERE)
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:minirag:problem:secret-key-in-browser"
        assert answer.headers["access-control-allow-origin"] == ELSEWHERE["Origin"]

    def test_our_own_pages_may_use_one(self, tenant: Tenant) -> None:
        own = {"Origin": tenant.url}
        assert tenant.http.get("/v1/sources", headers=own).status_code == 200

    def test_one_that_is_bound_to_a_bot_is_let_in_unless_the_owner_forbids_it(
        self, tenant: Tenant
    ) -> None:
        bot = tenant.bot()
        bound = tenant.with_(issue(tenant, bot_profile_id=bot)["raw_token"])
        body = {"bot_profile_id": bot, "message": "Hello?"}
        assert bound.post("/v1/chat", json=body, headers=ELSEWHERE).status_code == 200
        change = {"browser_tokens": "none"}
        assert tenant.http.patch("/v1/tenants/me", json=change).json().items() >= change.items()

        def refused() -> bool:
            return bound.post("/v1/chat", json=body, headers=ELSEWHERE).status_code == 403

        eventually(refused)
        assert bound.post("/v1/chat", json=body).status_code == 200

    def test_an_owner_can_let_all_of_them_in(self, tenant: Tenant) -> None:
        change = {"browser_tokens": "all"}
        assert tenant.http.patch("/v1/tenants/me", json=change).status_code == 200
        eventually(lambda: tenant.http.get("/v1/sources", headers=ELSEWHERE).status_code == 200)
        for role in ("admin", "member"):
            answer = tenant.user(role).http.patch("/v1/tenants/me", json=change)
            assert answer.status_code == 403
        answer = tenant.http.patch("/v1/tenants/me", json={"browser_tokens": "some"})
        assert answer.status_code == 422

    def test_a_session_is_no_secret_of_a_page(self, tenant: Tenant) -> None:
        http = tenant.with_(tenant.login()["access_token"])
        assert http.get("/v1/sources", headers=ELSEWHERE).status_code == 200
