"""Sources as the public contract has them: what they look like, lists, and changes."""

import uuid
from typing import Any

import httpx
import pytest

from tests.harness import Tenant, eventually

SOURCE = {
    "id",
    "tenant_id",
    "bot_profile_id",
    "parent_id",
    "name",
    "description",
    "source_type",
    "status",
    "config",
    "document_count",
    "chunk_count",
    "error_message",
    "is_active",
    "refresh_schedule",
    "last_refreshed_at",
    "children_count",
    "created_at",
    "updated_at",
}
UNKNOWN_BOT = "Bot profile not found or belongs to a different tenant"
GUARANTEE = "# Guarantee\n\nEvery bicycle carries a guarantee of seven years on its frame."


def refused(answer: httpx.Response, status: int, detail: str | None = None) -> dict[str, Any]:
    """The problem of a refused request."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    if detail is not None:
        assert found["detail"] == detail
    return found


def get(tenant: Tenant, source: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.http.get(f"/v1/sources/{source}").json()
    return found


def ids(tenant: Tenant, **query: Any) -> list[str]:
    answer = tenant.http.get("/v1/sources", params=query)
    assert answer.status_code == 200, answer.text
    return [found["id"] for found in answer.json()]


class TestCreating:
    def test_it_is_shown_as_the_contract_says_and_its_content_never(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        body = {
            "bot_profile_id": bot,
            "name": "Manual",
            "description": "How to",
            "source_type": "text",
            "config": {"anything": {"goes": [1, 2.5, True, None]}},
            "content": GUARANTEE,
            "refresh_schedule": "weekly",
            "unknown": "field",
        }
        answer = tenant.http.post("/v1/sources", json=body)
        assert answer.status_code == 201
        made = answer.json()
        assert set(made) >= SOURCE
        assert "content" not in made
        assert "guarantee" not in answer.text
        expected = {
            "tenant_id": tenant.id,
            "bot_profile_id": bot,
            "parent_id": None,
            "name": "Manual",
            "description": "How to",
            "source_type": "text",
            "status": "pending",
            "config": body["config"],
            "document_count": 0,
            "chunk_count": 0,
            "error_message": None,
            "is_active": True,
            "refresh_schedule": "weekly",
            "last_refreshed_at": None,
            "children_count": 0,
        }
        assert {name: made[name] for name in expected} == expected
        assert uuid.UUID(made["id"]).version == 4
        assert made["created_at"].endswith("Z")
        # The scheduler names the time of the next refresh a moment later.
        later = get(tenant, made["id"])
        assert {**later, "next_refresh_at": None} == {**made, "next_refresh_at": None}

    def test_what_is_left_out_has_the_defaults_of_the_contract(self, tenant: Tenant) -> None:
        made = get(tenant, tenant.source(tenant.bot()))
        assert (made["description"], made["config"], made["refresh_schedule"]) == ("", {}, None)

    def test_an_unknown_or_foreign_bot_is_refused(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        for bot in (str(uuid.uuid4()), other_tenant.bot()):
            body = {"bot_profile_id": bot, "name": "x", "source_type": "text"}
            problem = refused(tenant.http.post("/v1/sources", json=body), 422, UNKNOWN_BOT)
            assert problem["field"] == "bot_profile_id"

    def test_a_source_may_be_added_to_an_inactive_bot(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        assert tenant.http.delete(f"/v1/bot-profiles/{bot}").status_code == 204
        assert get(tenant, tenant.source(bot))["bot_profile_id"] == bot

    def test_a_parent_must_be_there_of_the_same_bot_and_no_child_itself(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        bot = tenant.bot()
        parent = tenant.source(bot)
        child = tenant.source(bot, parent_id=parent)
        gone = tenant.source(bot)
        tenant.http.delete(f"/v1/sources/{gone}")
        foreign = other_tenant.source(other_tenant.bot())
        body = {"bot_profile_id": bot, "name": "x", "source_type": "text"}

        def create(parent_id: str, bot_id: str = bot) -> httpx.Response:
            changed = {"parent_id": parent_id, "bot_profile_id": bot_id}
            return tenant.http.post("/v1/sources", json={**body, **changed})

        for missing in (str(uuid.uuid4()), gone, foreign):
            refused(create(missing), 404, "Source not found")
        refused(create(child), 422, "Nesting beyond one level is not allowed")
        other = "Parent source belongs to a different bot profile"
        refused(create(parent, tenant.bot()), 422, other)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": "x" * 256}, "name"),
            ({"name": None}, "name"),
            ({"description": "x" * 1001}, "description"),
            ({"source_type": "gopher"}, "source_type"),
            ({"refresh_schedule": "yearly"}, "refresh_schedule"),
            ({"config": None}, "config"),
            ({"config": {"note": "a\x00b"}}, "config"),
            ({"config": {"a\x00b": 1}}, "config"),
            ({"config": {"n": 10**30}}, "config"),
            ({"config": {"text": "x" * 20_000}}, "config"),
            ({"content": "a\x00b"}, "content"),
            ({"source_type": "url", "config": {"url": "ftp://example.com"}}, "config.url"),
            ({"source_type": "url", "config": {"url": 5}}, "config.url"),
            ({"source_type": "nyxcore", "config": {"base_url": "x"}}, "config.base_url"),
            ({"source_type": "nyxcore", "config": {"limit": 0}}, "config.limit"),
            ({"source_type": "nyxcore", "config": {"limit": True}}, "config.limit"),
            ({"source_type": "nyxcore", "config": {"authority": ["x"]}}, "config.authority"),
            ({"source_type": "nyxcore", "config": {"api_token": 5}}, "config.api_token"),
        ],
    )
    def test_what_cannot_be_is_refused_by_its_field(
        self, tenant: Tenant, change: dict[str, Any], field: str
    ) -> None:
        body = {"bot_profile_id": tenant.bot(), "name": "x", "source_type": "text", **change}
        assert refused(tenant.http.post("/v1/sources", json=body), 422)["field"] == field
        assert ids(tenant) == []

    @pytest.mark.parametrize("config", ['{"a": "\\ud800"}', '{"a": ' + "[" * 300 + "]" * 300 + "}"])
    def test_json_that_cannot_be_stored_is_refused(self, tenant: Tenant, config: str) -> None:
        body = f'{{"bot_profile_id": "{tenant.bot()}", "name": "x", "source_type": "text", '
        answer = tenant.http.post(
            "/v1/sources",
            content=f'{body} "config": {config}}}',
            headers={"Content-Type": "application/json"},
        )
        refused(answer, 422)
        assert ids(tenant) == []


class TestListing:
    def test_top_level_children_and_flat(self, tenant: Tenant) -> None:
        bot, other_bot = tenant.bot(), tenant.bot()
        first = tenant.source(bot)
        parent = tenant.source(bot)
        children = [tenant.source(bot, parent_id=parent) for _ in range(3)]
        elsewhere = tenant.source(other_bot)
        gone = tenant.source(bot)
        tenant.http.delete(f"/v1/sources/{gone}")
        off = tenant.source(bot)
        tenant.http.patch(f"/v1/sources/{off}", json={"is_active": False})

        assert ids(tenant) == [elsewhere, parent, first]
        assert ids(tenant, bot_profile_id=bot) == [parent, first]
        assert ids(tenant, parent_id=parent) == children[::-1]
        assert ids(tenant, include_children="true", bot_profile_id=bot) == [
            *children[::-1],
            parent,
            first,
        ]
        assert ids(tenant, bot_profile_id=str(uuid.uuid4())) == []
        assert get(tenant, gone)["is_active"] is get(tenant, off)["is_active"] is False

        shown = {one["id"]: one for one in tenant.http.get("/v1/sources").json()}
        assert shown[parent]["children_count"] == 3
        flat = tenant.http.get("/v1/sources", params={"include_children": "true"}).json()
        assert {one["children_count"] for one in flat} == {0}

        listed = tenant.http.get(f"/v1/sources/{parent}/children").json()
        assert [one["id"] for one in listed] == children
        assert tenant.http.get(f"/v1/sources/{first}/children").json() == []
        unknown = f"/v1/sources/{uuid.uuid4()}/children"
        refused(tenant.http.get(unknown), 404, "Source not found")

    @pytest.mark.parametrize("name", ["bot_profile_id", "parent_id"])
    def test_a_filter_that_cannot_be_is_refused(self, tenant: Tenant, name: str) -> None:
        refused(tenant.http.get(f"/v1/sources?{name}=%00"), 422)

    def test_a_parent_shows_what_its_children_come_to(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        parent = tenant.source(bot)
        good, bad = (tenant.source(bot, text, parent_id=parent) for text in (GUARANTEE, " "))
        assert get(tenant, parent)["status"] == "pending"
        tenant.ingest(good)
        assert tenant.ready(good)["chunk_count"] == 1
        shown = get(tenant, parent)
        assert (shown["status"], shown["chunk_count"], shown["document_count"]) == ("pending", 1, 0)
        tenant.ingest(bad)
        tenant.ready(bad, "error")
        assert get(tenant, parent)["status"] == "error"
        tenant.http.delete(f"/v1/sources/{bad}")
        shown = tenant.http.get("/v1/sources").json()[0]
        assert (shown["status"], shown["children_count"]) == ("ready", 1)
        tenant.http.delete(f"/v1/sources/{good}")
        assert get(tenant, parent)["status"] == "pending"


class TestChanging:
    def test_only_what_is_sent_changes_and_nothing_is_ingested(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        parent = tenant.source(bot, "old", description="kept", refresh_schedule="daily")
        tenant.source(bot, parent_id=parent)

        def scheduled() -> dict[str, Any] | None:
            found = get(tenant, parent)
            return found if found["next_refresh_at"] else None

        before: dict[str, Any] = eventually(scheduled)
        body = {"name": "new", "source_type": "url", "bot_profile_id": "x", "parent_id": "x"}
        answer = tenant.http.patch(f"/v1/sources/{parent}", json=body)
        assert answer.status_code == 200
        after = answer.json()
        assert after["children_count"] == 1
        assert after["updated_at"] > before["updated_at"]
        assert after == {**before, "name": "new", "updated_at": after["updated_at"]}
        assert get(tenant, parent) == after
        cleared = tenant.http.patch(f"/v1/sources/{parent}", json={"refresh_schedule": None})
        assert cleared.json()["refresh_schedule"] is None
        for schedule in ("none", "hourly"):
            change = {"refresh_schedule": schedule}
            tenant.http.patch(f"/v1/sources/{parent}", json=change)
            assert get(tenant, parent)["refresh_schedule"] == schedule

    @pytest.mark.parametrize("name", ["name", "description", "config", "is_active"])
    def test_a_null_is_refused_and_poisons_nothing(self, tenant: Tenant, name: str) -> None:
        source = tenant.source(tenant.bot())
        before = get(tenant, source)
        problem = refused(tenant.http.patch(f"/v1/sources/{source}", json={name: None}), 422)
        assert problem["field"] == name
        assert problem["detail"][0]["loc"] == ["body", name]
        assert tenant.http.get("/v1/sources").json() == [before]

    def test_an_unknown_source_is_not_found(self, tenant: Tenant) -> None:
        path = f"/v1/sources/{uuid.uuid4()}"
        refused(tenant.http.patch(path, json={"name": "x"}), 404, "Source not found")


class TestIsolation:
    def test_no_way_in_reaches_another_tenants_source(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        bot = tenant.bot()
        source = tenant.source(bot, GUARANTEE)
        tenant.source(bot, parent_id=source)
        other = other_tenant.http
        for method, path in (
            ("GET", ""),
            ("GET", "/children"),
            ("GET", "/timeline"),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/ingest"),
            ("POST", "/ingest-children"),
        ):
            answer = other.request(method, f"/v1/sources/{source}{path}", json={"name": "x"})
            refused(answer, 404, "Source not found")
        assert ids(other_tenant, parent_id=source) == []
        assert ids(other_tenant, bot_profile_id=bot) == []
        assert get(tenant, source)["is_active"]
