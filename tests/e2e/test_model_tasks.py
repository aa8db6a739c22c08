"""What a bot with a model of its own does beside answering: reword, translate, check."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typing_extensions import override

from tests.harness import Tenant

TEXT = "The harbour of Corran was closed in 1998 because the sea had become too shallow."


@contextmanager
def scripted_model(reply: Callable[[str, str], str]) -> Iterator[str]:
    """An OpenAI-compatible server: system and last message → what it says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages = body["messages"]
            said = reply(messages[0]["content"], messages[-1]["content"])
            pieces = [
                {"choices": [{"delta": {"content": said}}]},
                {"choices": [{"delta": {}, "finish_reason": "stop"}]},
                {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
            ]
            stream = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces)
            data = f"{stream}data: [DONE]\n\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        @override
        def log_message(self, *_args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def bot_with(tenant: Tenant, base: str, **fields: object) -> str:
    bot = tenant.bot(
        model="openai/scripted", credentials={"api_base": base, "api_key": "k"}, **fields
    )
    source = tenant.source(bot, TEXT)
    tenant.ingest(source)
    tenant.ready(source)
    return bot


def test_a_question_in_another_language_is_translated_before_it_is_searched(
    tenant: Tenant,
) -> None:
    def reply(system: str, _last: str) -> str:
        if system.startswith("You prepare search queries"):
            assert system.endswith("Languages: en")
            return json.dumps(
                {
                    "question": "Dlaczego zamknięto port?",
                    "translations": {"en": "Why was the harbour of Corran closed?"},
                }
            )
        return "Bo morze było za płytkie [1]."

    with scripted_model(reply) as base:
        answer = tenant.ask(bot_with(tenant, base), "Dlaczego zamknięto tamten port nad morzem?")
    assert answer["grounded"] is True
    assert answer["support"] is None
    assert answer["usage"]["total_tokens"] == 30


def test_a_rewording_that_is_no_json_changes_nothing(tenant: Tenant) -> None:
    def reply(system: str, _last: str) -> str:
        return "no idea" if "search queries" in system else "In 1998 [1]."

    with scripted_model(reply) as base:
        bot = bot_with(tenant, base)
        first = tenant.ask(bot, "When was the harbour of Corran closed?")
        second = tenant.ask(bot, "And why?", chat_id=first["chat_id"])
    assert second["grounded"] is True


@pytest.mark.parametrize(("supported", "grounded", "support"), [([1], True, 1.0), ([], False, 0.0)])
def test_a_bot_that_is_told_to_checks_its_claims(
    tenant: Tenant, supported: list[int], grounded: bool, support: float
) -> None:
    def reply(system: str, last: str) -> str:
        if system.startswith("You check claims"):
            assert TEXT in last
            assert "1. It was closed in 1998 [1]." in last
            return json.dumps({"supported": supported})
        return "It was closed in 1998 [1]."

    with scripted_model(reply) as base:
        bot = bot_with(tenant, base, check_claims=True)
        answer = tenant.ask(bot, "When was the harbour of Corran closed?")
    assert (answer["grounded"], answer["support"]) == (grounded, support)


def test_numbers_that_a_model_makes_up_never_reach_a_reader(tenant: Tenant) -> None:
    with scripted_model(lambda *_: "It was closed [7] in 1998 [1, 8].") as base:
        bot = bot_with(tenant, base)
        answer = tenant.ask(bot, "When was the harbour of Corran closed?")
    assert answer["message"]["content"] == "It was closed in 1998 [1]."
    assert [citation["n"] for citation in answer["citations"]] == [1]


def test_a_fallback_answers_for_a_model_that_cannot_be_reached(tenant: Tenant) -> None:
    with scripted_model(lambda *_: "unused") as base:
        pass
    bot = bot_with(tenant, base, fallback_models=["local/extractive"])
    answer = tenant.ask(bot, "When was the harbour of Corran closed?")
    assert answer["usage"]["model"] == "local/extractive"
    assert "1998" in answer["message"]["content"]
    tenant.http.patch(f"/v1/bot-profiles/{bot}", json={"fallback_models": []}).raise_for_status()
    assert tenant.http.get(f"/v1/bot-profiles/{bot}").json()["fallback_models"] == []
    failed = tenant.http.post(
        "/v1/chat", json={"bot_profile_id": bot, "message": "When was the harbour closed?"}
    )
    assert failed.status_code in (502, 503)


def test_more_than_three_fallbacks_are_refused(tenant: Tenant) -> None:
    body = {"name": "b", "fallback_models": ["a", "b", "c", "d"]}
    answer = tenant.http.post("/v1/bot-profiles", json=body)
    assert answer.status_code == 422
