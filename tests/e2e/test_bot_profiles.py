"""Bot profiles as the public contract has them."""

import uuid
from typing import Any

import pytest

from tests.e2e.test_sources import refused
from tests.harness import Tenant

DEFAULTS = {
    "description": "",
    "model": "gpt-4o-mini",
    "embedding_model": None,
    "system_prompt": "You are a helpful assistant.",
    "temperature": 0.7,
    "max_tokens": 1024,
    "has_credentials": False,
    "is_active": True,
}
BOT = {"id", "tenant_id", "name", "created_at", "updated_at", *DEFAULTS}


def get(tenant: Tenant, bot: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.http.get(f"/v1/bot-profiles/{bot}").json()
    return found


def patch(tenant: Tenant, bot: str, **body: Any) -> dict[str, Any]:
    answer = tenant.http.patch(f"/v1/bot-profiles/{bot}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert get(tenant, bot) == found
    return found


class TestCreating:
    def test_what_is_left_out_has_the_defaults_of_the_contract(self, tenant: Tenant) -> None:
        answer = tenant.http.post("/v1/bot-profiles", json={"name": "", "unknown": 1})
        assert answer.status_code == 201
        made = answer.json()
        assert set(made) >= BOT
        assert {name: made[name] for name in DEFAULTS} == DEFAULTS
        assert (made["name"], made["tenant_id"]) == ("", tenant.id)
        assert made["created_at"] == made["updated_at"]
        assert get(tenant, made["id"]) == made

    def test_the_limits_are_inclusive(self, tenant: Tenant) -> None:
        body = {
            "name": "n" * 255,
            "description": "d" * 1000,
            "model": "m" * 100,
            "embedding_model": "e" * 100,
            "system_prompt": "p" * 50_000,
            "temperature": 2,
            "max_tokens": 128_000,
        }
        made = tenant.http.post("/v1/bot-profiles", json=body)
        assert made.status_code == 201
        assert {name: made.json()[name] for name in body} == body
        low = {"name": "x", "temperature": 0, "max_tokens": 1}
        assert tenant.http.post("/v1/bot-profiles", json=low).status_code == 201

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("name", None),
            ("name", "n" * 256),
            ("name", "a\x00b"),
            ("description", "d" * 1001),
            ("model", "m" * 101),
            ("embedding_model", "e" * 101),
            ("temperature", -0.1),
            ("temperature", 2.1),
            ("max_tokens", 0),
            ("max_tokens", 128_001),
            ("max_tokens", 1.5),
            ("max_tokens", 10**30),
            ("credentials", "sk-x"),
        ],
    )
    def test_beyond_them_it_is_refused_by_its_field(
        self, tenant: Tenant, name: str, value: Any
    ) -> None:
        bot = tenant.bot()
        answer = tenant.http.post("/v1/bot-profiles", json={"name": "x", name: value})
        assert refused(answer, 422)["field"] == name
        answer = tenant.http.patch(f"/v1/bot-profiles/{bot}", json={name: value})
        assert refused(answer, 422)["field"] == name
        assert [one["id"] for one in tenant.http.get("/v1/bot-profiles").json()] == [bot]

    @pytest.mark.parametrize("key", [5, {"a": 1}, ["x"], "a\x00"])
    def test_a_key_that_is_no_text_is_refused(self, tenant: Tenant, key: Any) -> None:
        body = {"name": "x", "credentials": {"api_key": key}}
        problem = refused(tenant.http.post("/v1/bot-profiles", json=body), 422)
        assert problem["field"] == "credentials.api_key"


class TestReading:
    def test_the_list_has_all_of_them_newest_first(self, tenant: Tenant) -> None:
        bots = [tenant.bot(name=f"b{n}") for n in range(4)]
        tenant.http.delete(f"/v1/bot-profiles/{bots[1]}")
        listed = tenant.http.get("/v1/bot-profiles").json()
        assert [one["id"] for one in listed] == bots[::-1]
        assert [one["is_active"] for one in listed] == [True, True, False, True]

    def test_an_unknown_or_foreign_bot_is_not_found(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        for bot in (str(uuid.uuid4()), other_tenant.bot()):
            for method in ("GET", "PATCH", "DELETE"):
                answer = tenant.http.request(method, f"/v1/bot-profiles/{bot}", json={})
                refused(answer, 404, "Bot profile not found")


class TestChanging:
    def test_only_what_is_sent_changes(self, tenant: Tenant) -> None:
        bot = tenant.bot(description="kept", model="local/extractive", embedding_model="e")
        before = get(tenant, bot)
        after = patch(tenant, bot, name="new", temperature=0)
        assert after["updated_at"] > before["updated_at"]
        changed = {
            "name": "new",
            "temperature": 0,
            "version": 2,
            "updated_at": after["updated_at"],
        }
        assert after == {**before, **changed}
        assert patch(tenant, bot, embedding_model=None)["embedding_model"] is None

    @pytest.mark.parametrize(
        "name",
        ["name", "description", "model", "system_prompt", "temperature", "max_tokens", "is_active"],
    )
    def test_a_null_is_refused_and_poisons_nothing(self, tenant: Tenant, name: str) -> None:
        bot = tenant.bot()
        before = get(tenant, bot)
        answer = tenant.http.patch(f"/v1/bot-profiles/{bot}", json={name: None})
        assert refused(answer, 422)["field"] == name
        assert tenant.http.get("/v1/bot-profiles").json() == [before]

    def test_credentials_are_kept_until_they_are_cleared(self, tenant: Tenant) -> None:
        given = {"credentials": {"api_key": "sk-x"}}
        bot = tenant.bot(**given)
        assert patch(tenant, bot, name="x")["has_credentials"] is True
        nothings: tuple[dict[str, str] | None, ...] = ({}, None)
        for nothing in nothings:
            assert patch(tenant, bot, credentials=nothing)["has_credentials"] is False
            assert patch(tenant, bot, **given)["has_credentials"] is True
        assert get(tenant, tenant.bot(credentials={}))["has_credentials"] is False
        assert get(tenant, tenant.bot(credentials={"other": "x"}))["has_credentials"] is False

    def test_deletion_switches_off_and_can_be_taken_back(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        ask = {"bot_profile_id": bot, "message": "Anything?"}
        for _ in range(2):
            assert tenant.http.delete(f"/v1/bot-profiles/{bot}").status_code == 204
        assert get(tenant, bot)["is_active"] is False
        for stream in (False, True):
            answer = tenant.http.post("/v1/chat", json={**ask, "stream": stream})
            refused(answer, 404, "Bot profile not found or inactive")
        assert patch(tenant, bot, is_active=True)["is_active"] is True
        assert tenant.http.post("/v1/chat", json=ask).status_code == 200


def test_a_version_tells_the_name_of_who_made_it(tenant: Tenant) -> None:
    bot = tenant.bot()
    path = f"/v1/bot-profiles/{bot}"
    token = tenant.http.post("/v1/api-tokens", json={"name": "deploy"}).json()
    tenant.with_(token["raw_token"]).patch(path, json={"top_k": 3}).raise_for_status()
    tenant.http.delete(f"/v1/api-tokens/{token['id']}").raise_for_status()
    admin = tenant.user("admin")
    admin.http.patch(path, json={"top_k": 4}).raise_for_status()
    latest, before, _ = tenant.http.get(f"{path}/versions").json()
    assert (latest["actor"], latest["actor_name"]) == (f"user/{admin.id}", admin.email)
    assert (before["actor"], before["actor_name"]) == (f"token/{token['id']}", "deploy")
