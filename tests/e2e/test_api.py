"""The public interface, as a client uses it."""

import concurrent.futures
import json
import uuid
from typing import Any

import httpx
import pytest

from tests.harness import Installation, Tenant, events, eventually, website

UNKNOWN = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
MANUAL = """# Manual

## Returns

Goods can be returned within 30 days of delivery. The customer pays for the parcel.

## Opening hours

The shop in Hamburg is open from nine to six, Monday to Saturday.

## Guarantee

Every bicycle carries a guarantee of seven years on its frame.
"""


@pytest.fixture
def bot(tenant: Tenant) -> str:
    """A bot that knows the manual."""
    bot = tenant.bot()
    source = tenant.source(bot, MANUAL, name="Manual")
    tenant.ingest(source)
    tenant.ready(source)
    return bot


class TestAnswering:
    def test_an_ingested_text_is_quoted_with_a_citation_that_opens_it(
        self, tenant: Tenant, bot: str
    ) -> None:
        answer = tenant.ask(bot, "How long is the guarantee on the frame?")
        assert "seven years" in answer["message"]["content"]
        assert answer["grounded"] is True
        assert answer["usage"]["model"] == "local/extractive"
        citation = answer["citations"][0]
        opened = tenant.http.get(f"/v1/citations/{citation['citation_id']}").json()
        assert "guarantee of seven years" in opened["text"]
        assert opened["citation"]["heading"] == "Manual > Guarantee"

    def test_a_question_about_something_else_is_refused(self, tenant: Tenant, bot: str) -> None:
        answer = tenant.ask(bot, "What will the weather be like tomorrow?")
        assert answer["grounded"] is False
        assert answer["sources"] == []
        assert "cannot find an answer" in answer["message"]["content"]

    def test_a_refusal_speaks_the_language_of_the_question(self, tenant: Tenant, bot: str) -> None:
        answer = tenant.ask(bot, "Wie wird das Wetter morgen in den Bergen werden?")
        assert "keine Antwort" in answer["message"]["content"]

    def test_a_bot_without_sources_refuses(self, tenant: Tenant) -> None:
        assert tenant.ask(tenant.bot(), "Anything at all?")["grounded"] is False

    def test_a_stream_has_the_frames_of_the_contract_in_order(
        self, tenant: Tenant, bot: str
    ) -> None:
        frames = tenant.stream(bot, "When is the shop in Hamburg open?")
        names = [name for name, _ in frames]
        assert names[:3] == ["turn", "sources", "citations"]
        assert names[-1] == "done"
        assert set(names[3:-1]) == {"delta"}
        said = "".join(data["content"] for name, data in frames if name == "delta")
        assert "nine to six" in said
        done = frames[-1][1]
        assert set(done) >= {"chat_id", "message_id", "usage"}
        assert set(frames[1][1]["sources"][0]) == {"chunk_id", "content", "score", "source_id"}

    def test_a_stream_can_be_seen_again_and_resumed(self, tenant: Tenant, bot: str) -> None:
        frames = tenant.stream(bot, "When is the shop in Hamburg open?")
        turn = frames[0][1]["turn_id"]
        again = tenant.http.get(f"/v1/chat/turns/{turn}/stream").text
        rest = tenant.http.get(f"/v1/chat/turns/{turn}/stream", headers={"Last-Event-ID": "2"}).text
        said = [
            "".join(data["content"] for name, data in events(iter([text])) if name == "delta")
            for text in (again, rest)
        ]
        assert said[0] == said[1] != ""
        assert again.rsplit("event: ", 1)[1] == rest.rsplit("event: ", 1)[1]
        assert again.count("event: done") == rest.count("event: done") == 1
        assert "event: sources" not in rest
        end = rest.rsplit("id: ", 1)[1].split("\n")[0]
        over = tenant.http.get(f"/v1/chat/turns/{turn}/stream", headers={"Last-Event-ID": end})
        assert (over.status_code, over.content) == (204, b"")

    def test_a_conversation_goes_on_in_its_chat(self, tenant: Tenant, bot: str) -> None:
        first = tenant.ask(bot, "How long is the guarantee?")
        second = tenant.ask(bot, "When is the shop open?", chat_id=first["chat_id"])
        assert second["chat_id"] == first["chat_id"]

    def test_ten_questions_at_once_in_one_chat_are_all_answered(
        self, tenant: Tenant, bot: str
    ) -> None:
        chat = tenant.ask(bot, "How long is the guarantee?")["chat_id"]
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            found = list(
                pool.map(lambda _: tenant.ask(bot, "When is it open?", chat_id=chat), range(10))
            )
        assert len({answer["turn_id"] for answer in found}) == 10
        assert all(answer["chat_id"] == chat for answer in found)


class TestSources:
    def test_a_page_is_fetched_and_answers_with_its_address(self, tenant: Tenant) -> None:
        page = (
            b"<html><head><title>Tariffs</title></head><body><nav>Home Shop</nav><main>"
            b"<h1>Tariffs</h1><p>The small tariff costs nine euros a month and includes support "
            b"by e-mail.</p></main><footer>Imprint</footer></body></html>"
        )
        with website({"/tariffs": ("text/html; charset=utf-8", page)}) as base:
            bot = tenant.bot()
            source = tenant.source(
                bot, source_type="url", config={"url": f"{base}/tariffs"}, name="Tariffs"
            )
            tenant.ingest(source)
            assert tenant.ready(source)["chunk_count"] == 1
            answer = tenant.ask(bot, "What does the small tariff cost a month?")
        assert "nine euros" in answer["message"]["content"]
        assert answer["citations"][0]["url"] == f"{base}/tariffs"
        assert "Imprint" not in answer["message"]["content"]

    def test_a_page_that_is_not_there_ends_in_error_with_a_reason(self, tenant: Tenant) -> None:
        with website({}) as base:
            source = tenant.source(tenant.bot(), source_type="url", config={"url": f"{base}/gone"})
            tenant.ingest(source)
            assert "404" in tenant.ready(source, "error")["error_message"]

    def test_an_internal_address_is_not_fetched(self, tenant: Tenant) -> None:
        address = "http://169.254.169.254/latest/meta-data"
        source = tenant.source(tenant.bot(), source_type="url", config={"url": address})
        tenant.ingest(source)
        assert "not allowed" in tenant.ready(source, "error")["error_message"]

    def test_an_empty_text_ends_in_error(self, tenant: Tenant) -> None:
        source = tenant.source(tenant.bot(), "  \n ")
        tenant.ingest(source)
        assert tenant.ready(source, "error")["error_message"] == "No content to ingest"

    def test_the_same_content_again_costs_no_embedding(self, tenant: Tenant) -> None:
        source = tenant.source(tenant.bot(), MANUAL)
        tenant.ingest(source)
        tenant.ready(source)
        tenant.ingest(source)

        def names() -> list[str]:
            timeline = tenant.http.get(f"/v1/sources/{source}/timeline").json()
            return [entry["event"] for entry in timeline]

        eventually(lambda: names()[-1] == "source.unchanged", lambda: str(names()))
        assert names().count("source.prepared") == 1
        assert tenant.ready(source)["chunk_count"] == 3

    def test_a_change_embeds_only_what_changed(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        source = tenant.source(bot, MANUAL)
        tenant.ingest(source)
        tenant.ready(source)
        changed = MANUAL.replace("seven years", "ten years")
        tenant.http.patch(f"/v1/sources/{source}", json={"content": changed}).raise_for_status()
        tenant.ingest(source)

        def answer() -> str:
            return str(tenant.ask(bot, "How long is the guarantee?")["message"]["content"])

        while "ten years" not in answer():
            assert "seven years" in answer() or "ten years" in answer()
        details = [
            entry["detail"]
            for entry in tenant.http.get(f"/v1/sources/{source}/timeline").json()
            if entry["event"] == "source.prepared"
        ]
        assert details == ["revision 1: 3 chunks, 3 embedded", "revision 2: 3 chunks, 1 embedded"]

    def test_four_quick_ingests_are_one_run_and_no_doubled_chunks(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        source = tenant.source(bot, MANUAL)
        codes = [tenant.http.post(f"/v1/sources/{source}/ingest").status_code for _ in range(4)]
        assert set(codes) <= {202, 409}
        tenant.ready(source)
        sources = tenant.ask(bot, "How long is the guarantee on the frame?")["sources"]
        assert len({hit["content"] for hit in sources}) == len(sources)

    def test_a_deleted_source_answers_no_more(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        source = tenant.source(bot, MANUAL)
        tenant.ingest(source)
        tenant.ready(source)
        assert tenant.ask(bot, "How long is the guarantee?")["grounded"]
        assert tenant.http.delete(f"/v1/sources/{source}").status_code == 204
        assert not tenant.ask(bot, "How long is the guarantee?")["grounded"]
        assert tenant.http.get(f"/v1/sources/{source}").json()["is_active"] is False

    def test_a_switched_off_source_answers_again_when_it_is_switched_on(
        self, tenant: Tenant
    ) -> None:
        bot = tenant.bot()
        source = tenant.source(bot, MANUAL)
        tenant.ingest(source)
        tenant.ready(source)
        for active in (False, True):
            tenant.http.patch(f"/v1/sources/{source}", json={"is_active": active})
            assert tenant.ask(bot, "How long is the guarantee?")["grounded"] is active


class TestReadingWhatWasWritten:
    def test_two_hundred_times_over_all_resources(self, tenant: Tenant) -> None:
        http = tenant.http
        bot = tenant.bot()
        for n in range(40):
            name = f"n{n}"
            made = http.post("/v1/bot-profiles", json={"name": name}).json()
            assert http.get(f"/v1/bot-profiles/{made['id']}").json() == made
            http.patch(f"/v1/bot-profiles/{made['id']}", json={"name": f"{name}x"})
            assert http.get("/v1/bot-profiles").json()[0]["name"] == f"{name}x"
            source = tenant.source(bot, "text", name=name)
            assert http.get("/v1/sources").json()[0]["id"] == source
            token = http.post("/v1/api-tokens", json={"name": name}).json()
            assert http.get("/v1/api-tokens").json()[0]["id"] == token["id"]
            assert http.delete(f"/v1/sources/{source}").status_code == 204
            assert source not in [found["id"] for found in http.get("/v1/sources").json()]


class TestTokens:
    def test_a_revoked_token_opens_nothing(self, tenant: Tenant) -> None:
        made = tenant.http.post("/v1/api-tokens", json={"name": "other"}).json()
        header = {"Authorization": f"Bearer {made['raw_token']}"}
        assert tenant.http.get("/v1/tenants/me", headers=header).status_code == 200
        assert tenant.http.delete(f"/v1/api-tokens/{made['id']}").status_code == 204
        answer = tenant.http.get("/v1/tenants/me", headers=header)
        assert answer.status_code == 401
        assert answer.json()["detail"] == "Invalid or revoked API token"

    @pytest.mark.parametrize(
        ("header", "detail"),
        [
            (None, "Not authenticated"),
            ("Basic abc", "Not authenticated"),
            ("Bearer nrag_live_wrong", "Invalid or revoked API token"),
            ("Bearer a.b.c", "Invalid or expired JWT"),
        ],
    )
    def test_who_brings_none_is_told_so(
        self, installation: Installation, header: str | None, detail: str
    ) -> None:
        headers = {} if header is None else {"Authorization": header}
        answer = httpx.get(f"{installation.url}/v1/tenants/me", headers=headers, timeout=60)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == detail


class TestIsolation:
    def test_another_tenant_sees_and_reaches_nothing(
        self, tenant: Tenant, bot: str, other_tenant: Tenant
    ) -> None:
        source = tenant.http.get("/v1/sources").json()[0]["id"]
        other = other_tenant.http
        assert other.get("/v1/sources").json() == []
        assert other.get("/v1/bot-profiles").json() == []
        for path in (f"/v1/sources/{source}", f"/v1/bot-profiles/{bot}"):
            unknown = path.rsplit("/", 1)[0] + f"/{uuid.uuid4()}"
            assert other.get(path).status_code == other.get(unknown).status_code == 404
            assert other.patch(path, json={"name": "mine"}).status_code == 404
            assert other.delete(path).status_code == 404
        assert other.post(f"/v1/sources/{source}/ingest").status_code == 404
        chat = {"bot_profile_id": bot, "message": "How long is the guarantee?"}
        assert other.post("/v1/chat", json=chat).status_code == 404
        body = {"bot_profile_id": bot, "name": "x", "source_type": "text"}
        answer = other.post("/v1/sources", json=body)
        assert answer.status_code == 422
        assert "bot profile" in answer.json()["detail"].lower()

    def test_the_same_words_in_two_tenants_stay_apart(
        self, tenant: Tenant, bot: str, other_tenant: Tenant
    ) -> None:
        own = other_tenant.bot()
        source = other_tenant.source(own, "# Guarantee\n\nOur guarantee is two weeks only.")
        other_tenant.ingest(source)
        other_tenant.ready(source)
        assert (
            "two weeks" in other_tenant.ask(own, "How long is the guarantee?")["message"]["content"]
        )
        assert "seven years" in tenant.ask(bot, "How long is the guarantee?")["message"]["content"]


class TestProblems:
    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("POST", "/v1/chat", {"bot_profile_id": "x y", "message": "hi"}, 422),
            ("POST", "/v1/chat", {"bot_profile_id": UNKNOWN, "message": ""}, 422),
            ("POST", "/v1/chat", {"bot_profile_id": UNKNOWN, "message": "a\x00b"}, 422),
            ("POST", "/v1/chat", {"bot_profile_id": UNKNOWN, "message": "x" * 32_001}, 422),
            ("POST", "/v1/bot-profiles", {"name": "n", "temperature": 3}, 422),
            ("POST", "/v1/bot-profiles", {"name": "n" * 256}, 422),
            ("POST", "/v1/sources", {"name": "n"}, 422),
            ("GET", f"/v1/sources/{UNKNOWN}", None, 404),
            ("GET", "/v1/sources/*", None, 422),
            ("GET", "/v1/sources/a.b", None, 422),
            ("GET", "/nothing", None, 404),
            ("PUT", "/v1/sources", None, 405),
            ("GET", f"/v1/citations/{UNKNOWN}", None, 404),
            ("GET", f"/v1/operations/{UNKNOWN}", None, 404),
        ],
    )
    def test_bad_input_gets_a_problem_and_never_a_500(
        self, tenant: Tenant, method: str, path: str, body: Any, status: int
    ) -> None:
        answer = tenant.http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["type"].startswith("urn:minirag:problem:")
        assert problem["request_id"] == answer.headers["x-request-id"]

    def test_a_null_name_is_refused_and_poisons_nothing(self, tenant: Tenant) -> None:
        source = tenant.source(tenant.bot(), "text")
        for body in ({"config": None}, {"name": None}):
            answer = tenant.http.patch(f"/v1/sources/{source}", json=body)
            assert answer.status_code == 422, answer.text
        assert [found["id"] for found in tenant.http.get("/v1/sources").json()] == [source]

    def test_a_body_that_is_too_large_is_refused_before_it_is_read(self, tenant: Tenant) -> None:
        answer = tenant.http.post("/v1/bot-profiles", content=b"x" * 300_000)
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:minirag:problem:too-large"

    def test_a_repeated_post_with_its_key_makes_one_thing(self, tenant: Tenant) -> None:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        made = [
            tenant.http.post("/v1/bot-profiles", json={"name": "one"}, headers=headers).json()
            for _ in range(3)
        ]
        assert len({bot["id"] for bot in made}) == 1
        assert len(tenant.http.get("/v1/bot-profiles").json()) == 1

    def test_of_parallel_registrations_of_a_slug_one_wins(self, installation: Installation) -> None:
        slug = f"race-{uuid.uuid4().hex[:8]}"
        body = {
            "tenant_name": slug,
            "tenant_slug": slug,
            "owner_email": "a@example.com",
            "owner_password": "password1",
        }
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            codes = list(
                pool.map(
                    lambda _: (
                        httpx.post(
                            f"{installation.url}/v1/tenants", json=body, timeout=120
                        ).status_code
                    ),
                    range(6),
                )
            )
        assert sorted(codes) == [201, 409, 409, 409, 409, 409]


class TestSecrets:
    def test_credentials_are_never_read_back_nor_stored_in_clear(
        self, tenant: Tenant, installation: Installation
    ) -> None:
        canary = f"sk-canary-{uuid.uuid4().hex}"
        bot = tenant.bot(credentials={"api_key": canary})
        shown = tenant.http.get(f"/v1/bot-profiles/{bot}")
        assert shown.json()["has_credentials"] is True
        assert canary not in shown.text
        needles = [canary.encode(), tenant.token.encode(), b"correct horse battery"]
        for file in installation.data_dir.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert not [n for n in needles if n in content], file


class TestHealth:
    def test_every_part_is_named_and_well(self, installation: Installation) -> None:
        found = httpx.get(f"{installation.url}/v1/system/health", timeout=60).json()
        assert found["status"] == "ok", found
        assert found["postgres"]["status"] == found["qdrant"]["status"] == "ok"
        assert found["redis"]["status"] == found["nats"]["status"] == "ok"
        assert set(found["services"]) == {
            "gateway",
            "ingest",
            "chat",
            "scheduler",
            "analytics",
            "webhooks",
        }

    def test_its_details_count_what_the_tenant_has_and_nothing_else(
        self, tenant: Tenant, bot: str, other_tenant: Tenant
    ) -> None:
        tenant.ask(bot, "How long is the guarantee?")
        found = tenant.http.get("/v1/system/health/detailed").json()
        assert found["postgres"]["status"] == "ok"
        assert found["db_stats"]["sources_by_status"]["ready"] == 1
        assert found["db_stats"]["total_chunks"] > 0
        assert found["qdrant_stats"]["points_count"] == found["db_stats"]["total_chunks"]
        assert (found["db_stats"]["total_chats"], found["db_stats"]["total_messages"]) == (1, 2)
        assert found["db_stats"]["total_prompt_tokens"] > 0
        (shown,) = found["bot_sources"]
        assert (shown["bot_profile_id"], shown["ready_sources"]) == (bot, 1)
        assert set(found["redis_stats"]) >= {"used_memory_human", "connected_clients", "db_keys"}
        assert found["config"]["jwt_expire_minutes"] == 60
        assert "://" not in json.dumps(found["config"])
        shown = {(model["service"], model["name"]) for model in found["read_models"]}
        assert {("chat", "chats"), ("ingest", "sources"), ("analytics", "rollups")} <= shown
        assert "read_models" not in tenant.http.get("/v1/system/health").json()
        others = other_tenant.http.get("/v1/system/health/detailed").json()
        assert set(others["db_stats"].pop("sources_by_status").values()) == {0}
        assert set(others["db_stats"].values()) == {0}
        assert others["bot_sources"] == []

    def test_the_interface_is_described(self, installation: Installation) -> None:
        paths = httpx.get(f"{installation.url}/openapi.json", timeout=60).json()["paths"]
        assert {"/v1/chat", "/v1/sources", "/v1/bot-profiles", "/v1/tenants"} <= set(paths)
