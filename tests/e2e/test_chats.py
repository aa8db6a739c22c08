"""What was said, and what is thought of it."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e import inside
from tests.e2e.test_sources import GUARANTEE, refused
from tests.harness import Installation, Tenant
from tests.loopback import QuietHandler, loopback

CHAT = {
    "id",
    "tenant_id",
    "visitor_id",
    "replayed_chat_id",
    "bot_profile_id",
    "title",
    "message_count",
    "total_prompt_tokens",
    "total_completion_tokens",
    "created_at",
    "updated_at",
}
MESSAGE = {
    "id",
    "chat_id",
    "turn_id",
    "role",
    "content",
    "prompt_tokens",
    "completion_tokens",
    "feedback",
    "draft",
    "refusal",
    "created_at",
}
QUESTION = "How long is the guarantee on the frame?"


@pytest.fixture
def bot(tenant: Tenant) -> str:
    """A bot that knows about the guarantee."""
    bot = tenant.bot(model="local/extractive")
    source = tenant.source(bot, GUARANTEE)
    tenant.ingest(source)
    tenant.ready(source)
    return bot


def get(tenant: Tenant, chat: str) -> dict[str, Any]:
    answer = tenant.http.get(f"/v1/chat/{chat}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def messages(tenant: Tenant, chat: str) -> list[dict[str, Any]]:
    answer = tenant.http.get(f"/v1/chat/{chat}/messages")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def listed(tenant: Tenant, **query: Any) -> list[str]:
    answer = tenant.http.get("/v1/chat", params=query)
    assert answer.status_code == 200, answer.text
    return [chat["id"] for chat in answer.json()]


class TestAsking:
    def test_the_answer_has_the_shape_of_the_contract(self, tenant: Tenant, bot: str) -> None:
        answer = tenant.ask(bot, QUESTION)
        assert set(answer) >= {"chat_id", "message", "sources", "usage"}
        assert set(answer["message"]) == MESSAGE
        assert (answer["message"]["role"], answer["message"]["feedback"]) == ("assistant", None)
        assert set(answer["usage"]) == {
            "model",
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
        }
        assert answer["usage"]["model"] == "local/extractive"
        hit = answer["sources"][0]
        assert set(hit) == {"chunk_id", "content", "score", "source_id"}
        assert len(hit["content"]) <= 200
        assert hit["score"] == round(hit["score"], 4)

    def test_a_chat_is_named_after_its_first_question_and_counts(
        self, tenant: Tenant, bot: str
    ) -> None:
        question = f"{QUESTION} " + "And tell me why. " * 20
        first = tenant.ask(bot, question)
        chat = get(tenant, first["chat_id"])
        assert set(chat) == CHAT
        assert chat["title"] == question[:100]
        assert (chat["bot_profile_id"], chat["tenant_id"]) == (bot, tenant.id)
        assert chat["message_count"] == 2
        usage = first["usage"]
        assert chat["total_prompt_tokens"] == usage["prompt_tokens"]
        assert chat["total_completion_tokens"] == usage["completion_tokens"]
        tenant.stream(bot, QUESTION, chat_id=chat["id"])
        after = get(tenant, chat["id"])
        assert after["message_count"] == 4
        assert after["updated_at"] > chat["updated_at"]
        assert (after["title"], after["created_at"]) == (chat["title"], chat["created_at"])

    def test_everything_that_was_said_is_told_oldest_first(self, tenant: Tenant, bot: str) -> None:
        first = tenant.ask(bot, QUESTION)
        chat = first["chat_id"]
        second = tenant.ask(bot, "What will the weather be like?", chat_id=chat)
        said = messages(tenant, chat)
        assert [(one["role"], one["content"]) for one in said] == [
            ("user", QUESTION),
            ("assistant", first["message"]["content"]),
            ("user", "What will the weather be like?"),
            ("assistant", second["message"]["content"]),
        ]
        assert {one["chat_id"] for one in said} == {chat}
        assert all(set(one) == MESSAGE for one in said)
        assert said[1] == first["message"]
        assert said[0]["prompt_tokens"] == said[0]["completion_tokens"] == 0

    @pytest.mark.parametrize("message", ["   ", "x" * 32_000, "\ud83d\ude00" * 16_000])
    def test_blanks_and_long_messages_are_taken(self, tenant: Tenant, message: str) -> None:
        text = message.encode("utf-16", "surrogatepass").decode("utf-16")
        answer = tenant.ask(tenant.bot(), text)
        assert messages(tenant, answer["chat_id"])[0]["content"] == text

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"message": ""}, "message"),
            ({"message": "x" * 32_001}, "message"),
            ({"message": None}, "message"),
            ({"message": "a\x00b"}, "message"),
            ({"bot_profile_id": None}, "bot_profile_id"),
            ({"stream": "perhaps"}, "stream"),
        ],
    )
    def test_what_cannot_be_asked_is_refused_by_its_field(
        self, tenant: Tenant, change: dict[str, Any], field: str
    ) -> None:
        body = {"bot_profile_id": tenant.bot(), "message": "Hello?", **change}
        assert refused(tenant.http.post("/v1/chat", json=body), 422)["field"] == field
        assert listed(tenant) == []

    def test_only_a_chat_of_the_same_bot_goes_on(
        self, tenant: Tenant, bot: str, other_tenant: Tenant
    ) -> None:
        chat = tenant.ask(bot, QUESTION)["chat_id"]
        foreign = other_tenant.ask(other_tenant.bot(), "Hello?")["chat_id"]
        for stream in (False, True):
            for other_bot, chat_id in (
                (tenant.bot(), chat),
                (bot, str(uuid.uuid4())),
                (bot, foreign),
            ):
                body = {
                    "bot_profile_id": other_bot,
                    "chat_id": chat_id,
                    "message": "x",
                    "stream": stream,
                }
                refused(tenant.http.post("/v1/chat", json=body), 404, "Chat session not found")
        unknown = {"bot_profile_id": str(uuid.uuid4()), "message": "x"}
        detail = "Bot profile not found or inactive"
        refused(tenant.http.post("/v1/chat", json=unknown), 404, detail)
        assert get(tenant, chat)["message_count"] == 2

    @pytest.mark.parametrize(
        ("provider_status", "status", "kind"),
        [(500, 502, "llm_failed"), (401, 502, "llm_auth"), (429, 429, "llm_rate_limited")],
    )
    def test_a_failing_model_is_a_problem_and_the_question_stays(
        self, tenant: Tenant, bot: str, provider_status: int, status: int, kind: str
    ) -> None:
        with provider(provider_status) as base:
            credentials = {"api_key": "sk-secret", "api_base": base}
            tenant.http.patch(
                f"/v1/bot-profiles/{bot}", json={"model": "gpt-4o", "credentials": credentials}
            )
            body = {"bot_profile_id": bot, "message": QUESTION}
            answer = tenant.http.post("/v1/chat", json=body)
            problem = refused(answer, status)
            assert problem["type"] == f"urn:minirag:problem:{kind}"
            assert "secret" not in answer.text
            if status == 429:
                assert answer.headers["retry-after"] == "7"
            frames = tenant.stream(bot, QUESTION)
            assert frames[-1][0] == "error"
            assert frames[-1][1]["code"] == kind
        for chat in listed(tenant):
            assert [one["role"] for one in messages(tenant, chat)] == ["user"]
            assert get(tenant, chat)["message_count"] == 1
        assert len(listed(tenant)) == 2


class TestListing:
    def test_newest_first_by_bot_and_in_parts(self, tenant: Tenant) -> None:
        one, other = tenant.bot(), tenant.bot()
        chats = [tenant.ask(bot, "Hello?")["chat_id"] for bot in (one, one, other, one)]
        newest = chats[::-1]
        assert listed(tenant) == newest
        assert listed(tenant, bot_profile_id=one) == [newest[0], *newest[2:]]
        assert listed(tenant, bot_profile_id=str(uuid.uuid4())) == []
        assert listed(tenant, limit=2) == newest[:2]
        assert listed(tenant, limit=2, offset=1) == newest[1:3]
        assert listed(tenant, offset=3) == newest[3:]
        assert listed(tenant, limit=0) == listed(tenant, offset=4) == []
        assert listed(tenant, offset=10**30) == []
        assert listed(tenant, limit=10**30) == newest
        for name in ("limit", "offset"):
            for value in ("-1", "x", "1.5"):
                answer = tenant.http.get("/v1/chat", params={name: value})
                assert refused(answer, 422)["field"] == name
        refused(tenant.http.get("/v1/chat?bot_profile_id=%00"), 422)

    def test_what_is_not_there_is_not_found(self, tenant: Tenant, other_tenant: Tenant) -> None:
        foreign = other_tenant.ask(other_tenant.bot(), "Hello?")
        answer_id = foreign["message"]["id"]
        for chat in (str(uuid.uuid4()), foreign["chat_id"]):
            for path in ("", "/messages", "/export", "/export?format=csv"):
                refused(tenant.http.get(f"/v1/chat/{chat}{path}"), 404, "Chat session not found")
            path = f"/v1/chat/{chat}/messages/{answer_id}/feedback"
            refused(tenant.http.patch(path, json={"feedback": None}), 404, "Message not found")
        assert listed(tenant) == []


class TestFeedback:
    def test_it_is_given_changed_and_taken_back(
        self, tenant: Tenant, installation: Installation
    ) -> None:
        answer = tenant.ask(tenant.bot(), "Hello?")
        chat, message = answer["chat_id"], answer["message"]["id"]
        path = f"/v1/chat/{chat}/messages/{message}/feedback"
        for feedback in ("positive", "positive", "negative", None, None, "negative"):
            told = tenant.http.patch(path, json={"feedback": feedback})
            assert told.status_code == 200
            assert told.json() == {**answer["message"], "feedback": feedback}
            assert messages(tenant, chat)[1] == told.json()
        facts = inside.facts(installation.data_dir, tenant.id)
        subject = f"evt.{tenant.id}.chat.{chat}"
        assert facts[subject, "feedback_given"] == 3
        assert facts[subject, "feedback_cleared"] == 1

    def test_only_answers_have_it(self, tenant: Tenant) -> None:
        bot = tenant.bot()
        chat = tenant.ask(bot, "Hello?")["chat_id"]
        question, answer = (one["id"] for one in messages(tenant, chat))
        base = f"/v1/chat/{chat}/messages"

        def give(message: str, body: Any) -> Any:
            return tenant.http.patch(f"{base}/{message}/feedback", json=body)

        detail = "Feedback can only be set on assistant messages"
        refused(give(question, {"feedback": "positive"}), 422, detail)
        unknown = str(uuid.uuid4())
        refused(give(unknown, {"feedback": "positive"}), 404, "Message not found")
        other = tenant.ask(bot, "Hello?")["message"]["id"]
        refused(give(other, {"feedback": "positive"}), 404, "Message not found")
        for wrong in ({}, {"feedback": "great"}, {"feedback": 1}):
            assert refused(give(answer, wrong), 422)["field"] == "feedback"
        assert [one["feedback"] for one in messages(tenant, chat)] == [None, None]


@contextmanager
def provider(status: int) -> Iterator[str]:
    """A language model's server that always answers with this error."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"error": {"message": f"{self.headers['Authorization']}"}}).encode()
            self.send_response(status)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with loopback(Handler) as base:
        yield f"{base}/v1"
