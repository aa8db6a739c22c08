"""`Idempotency-Key`: what comes again is done once and answered the same."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tests.e2e import inside
from tests.harness import PASSWORD, Installation, Tenant, client, events

AT_ONCE = 50


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def made(installation: Installation, tenant: Tenant, aggregate: str, name: str) -> int:
    """How many events of this kind the tenant has."""
    found = inside.facts(installation.data_dir, tenant.id)
    prefix = f"evt.{tenant.id}.{aggregate}."
    return sum(
        n for (subject, event), n in found.items() if subject.startswith(prefix) and event == name
    )


class TestReplaying:
    def test_a_token_comes_back_the_same_and_works(
        self, tenant: Tenant, key: dict[str, str]
    ) -> None:
        answers = [
            tenant.http.post("/v1/api-tokens", json={"name": "n"}, headers=key) for _ in range(3)
        ]
        assert [answer.status_code for answer in answers] == [201] * 3
        assert answers[0].content == answers[1].content == answers[2].content
        assert "idempotency-replayed" not in answers[0].headers
        assert answers[1].headers["idempotency-replayed"] == "true"
        token = answers[2].json()["raw_token"]
        assert tenant.with_(token).get("/v1/tenants/me").status_code == 200
        names = [one["name"] for one in tenant.http.get("/v1/api-tokens").json()]
        assert names.count("n") == 1

    def test_a_registration_comes_back_the_same(
        self, installation: Installation, key: dict[str, str]
    ) -> None:
        body = {
            "tenant_name": "n",
            "tenant_slug": f"again-{uuid.uuid4().hex[:8]}",
            "owner_email": "a@example.com",
            "owner_password": PASSWORD,
        }
        url = f"{installation.url}/v1/tenants"
        first, second = (httpx.post(url, json=body, headers=key, timeout=30) for _ in range(2))
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()
        with client(installation.url, second.json()["api_token"]) as http:
            assert http.get("/v1/tenants/me").json() == first.json()["tenant"]

    @pytest.mark.parametrize(
        ("path", "body", "aggregate", "event"),
        [
            ("/v1/bot-profiles", {"name": "n"}, "bot_profile", "created"),
            ("/v1/users", {"email": "a@example.com", "password": PASSWORD}, "directory", None),
            ("/v1/auth/password", {"current_password": "x", "new_password": "y" * 9}, "", None),
        ],
    )
    def test_any_post_is_answered_as_before(
        self,
        installation: Installation,
        tenant: Tenant,
        key: dict[str, str],
        path: str,
        body: dict[str, Any],
        aggregate: str,
        event: str | None,
    ) -> None:
        first, second = (tenant.http.post(path, json=body, headers=key) for _ in range(2))
        assert first.status_code == second.status_code
        assert first.content == second.content
        if event is not None:
            assert made(installation, tenant, aggregate, event) == 1

    def test_a_refusal_comes_back_too(self, tenant: Tenant, key: dict[str, str]) -> None:
        body = {"email": tenant.email, "password": PASSWORD}
        first, second = (tenant.http.post("/v1/users", json=body, headers=key) for _ in range(2))
        assert first.status_code == second.status_code == 409
        assert first.json() == second.json()

    def test_another_body_is_refused(self, tenant: Tenant, key: dict[str, str]) -> None:
        first = tenant.http.post("/v1/bot-profiles", json={"name": "one"}, headers=key)
        assert first.status_code == 201
        answer = tenant.http.post("/v1/bot-profiles", json={"name": "two"}, headers=key)
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:minirag:problem:idempotency-key-reused"
        assert [bot["name"] for bot in tenant.http.get("/v1/bot-profiles").json()] == ["one"]

    def test_the_same_said_otherwise_is_the_same(self, tenant: Tenant, key: dict[str, str]) -> None:
        bodies = ['{"name":"n","model":"m"}', '{ "model": "m",\n "name": "n" }']
        headers = {**key, "Content-Type": "application/json"}
        first, second = (
            tenant.http.post("/v1/bot-profiles", content=body, headers=headers) for body in bodies
        )
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()

    def test_a_key_is_its_own_on_every_route_and_for_every_caller(
        self, tenant: Tenant, other_tenant: Tenant, key: dict[str, str]
    ) -> None:
        ids = {
            http.post(path, json={"name": "n"}, headers=key).json()["id"]
            for http in (tenant.http, other_tenant.http, tenant.user("admin").http)
            for path in ("/v1/bot-profiles", "/v1/api-tokens")
        }
        assert len(ids) == 6

    def test_without_a_key_every_post_is_another(self, tenant: Tenant) -> None:
        ids = {
            tenant.http.post("/v1/bot-profiles", json={"name": "n"}).json()["id"] for _ in range(2)
        }
        assert len(ids) == 2

    @pytest.mark.parametrize("value", ["", "k" * 256, "a\tb"])
    def test_what_is_no_key_is_refused(self, tenant: Tenant, value: str) -> None:
        headers = {"Idempotency-Key": value}
        answer = tenant.http.post("/v1/bot-profiles", json={"name": "n"}, headers=headers)
        assert answer.status_code == 422

    def test_who_may_not_come_in_is_told_each_time(
        self, installation: Installation, tenant: Tenant, key: dict[str, str]
    ) -> None:
        url = f"{installation.url}/v1/bot-profiles"
        answer = httpx.post(url, json={"name": "n"}, headers=key, timeout=60)
        assert answer.status_code == 401
        answer = tenant.http.post("/v1/bot-profiles", json={"name": "n"}, headers=key)
        assert answer.status_code == 201


class TestChats:
    def test_an_answer_comes_back_with_its_turn(self, tenant: Tenant, key: dict[str, str]) -> None:
        bot = tenant.bot()
        tenant.http.headers.update(key)
        first, second = (tenant.ask(bot, "What is it?") for _ in range(2))
        assert first == second

    def test_a_stream_comes_again_from_its_turn(
        self, installation: Installation, tenant: Tenant, key: dict[str, str]
    ) -> None:
        bot = tenant.bot()
        body = {"bot_profile_id": bot, "message": "What is it?", "stream": True}

        def ask() -> list[tuple[str, dict[str, Any]]]:
            with tenant.http.stream("POST", "/v1/chat", json=body, headers=key) as answer:
                assert answer.status_code == 200
                return list(events(answer.iter_text()))

        assert ask() == ask()
        assert made(installation, tenant, "chat", "question_asked") == 1
        other = {**body, "message": "Something else?"}
        answer = tenant.http.post("/v1/chat", json=other, headers=key)
        assert answer.status_code == 422


class TestAtOnce:
    async def test_fifty_posts_with_one_key_make_one_event(
        self, installation: Installation, tenant: Tenant, key: dict[str, str]
    ) -> None:
        headers = {**key, "Authorization": f"Bearer {tenant.token}"}
        async with httpx.AsyncClient(
            base_url=tenant.url, headers=headers, timeout=60, trust_env=False
        ) as http:
            answers = await asyncio.gather(
                *(http.post("/v1/bot-profiles", json={"name": "one"}) for _ in range(AT_ONCE))
            )
        codes = {answer.status_code for answer in answers}
        assert codes <= {201, 409}
        assert 201 in codes
        assert len({a.json()["id"] for a in answers if a.status_code == 201}) == 1
        found = await asyncio.to_thread(made, installation, tenant, "bot_profile", "created")
        assert found == 1
