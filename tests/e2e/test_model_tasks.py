"""What a bot with a model of its own does beside answering: reword, translate, check."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.harness import Tenant, eventually
from tests.loopback import QuietHandler, loopback

TEXT = "The harbour of Corran was closed in 1998 because the sea had become too shallow."

CLOSED = (
    "In 1901 the harbour of Corran was closed for the feast of the fishermen.",
    "During the long winter of 1902 ice closed the harbour of Corran twice.",
    "The harbour of Corran was closed to all foreign ships when the war of 1903 began.",
)


class TooLong(Exception):
    """The model cannot take so much."""


@contextmanager
def scripted_model(
    reply: Callable[[str, str], str], told: list[list[str]] | None = None
) -> Iterator[str]:
    """An OpenAI-compatible server: system and last message → what it says.

    In `told` stand the messages of each request.
    """

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages = body["messages"]
            if told is not None:
                told.append([message["content"] for message in messages])
            try:
                said = reply(messages[0]["content"], messages[-1]["content"])
            except TooLong:
                self.refuse()
                return
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

        def refuse(self) -> None:
            data = b'{"error": {"code": "context_length_exceeded", "message": "Too long."}}'
            self.send_response(400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with loopback(Handler) as base:
        yield f"{base}/v1"


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


def passages(system: str) -> int:
    """How many numbered passages a model is given."""
    return len(re.findall(r"^\[\d+\] ", system, re.MULTILINE))


@pytest.mark.parametrize("least", [2, 0])
def test_a_model_that_cannot_take_it_all_gets_less_until_it_can_or_says_so(
    tenant: Tenant, least: int
) -> None:
    """The conversation goes first, then all passages but two."""
    told: list[list[str]] = []
    small = False

    def reply(system: str, _last: str) -> str:
        if small and (len(told[-1]) > 2 or passages(system) > least):
            raise TooLong
        return "In 1998 [1]."

    with scripted_model(reply, told) as base:
        bot = bot_with(tenant, base)
        others = [tenant.source(bot, text) for text in CLOSED]
        for other in others:
            tenant.ingest(other)
        for other in others:
            tenant.ready(other)
        question = "When was the harbour of Corran closed?"
        first = tenant.ask(bot, question)
        [before] = told
        told.clear()
        small = True
        body = {"bot_profile_id": bot, "message": question, "chat_id": first["chat_id"]}
        answer = tenant.http.post("/v1/chat", json=body)
    given = [(len(messages), passages(messages[0])) for messages in told]
    many = passages(before[0])
    assert many > 2
    assert given == [(4, many), (2, many), (2, 2)]
    if least:
        assert answer.json()["message"]["content"] == "In 1998 [1]."
        return
    failed = answer.json()
    assert (failed["status"], failed["type"]) == (502, "urn:minirag:problem:llm_context_too_long")
    assert "too long for the model" in failed["detail"]


def test_more_than_three_fallbacks_are_refused(tenant: Tenant) -> None:
    body = {"name": "b", "fallback_models": ["a", "b", "c", "d"]}
    answer = tenant.http.post("/v1/bot-profiles", json=body)
    assert answer.status_code == 422


class TestAnswersGivenAgain:
    """`cache_answers`: the model is asked once for one question, until a cited source changes."""

    HARBOUR = "When was the harbour of Corran closed?"
    MARKET = "Who opened the market of Belmar?"

    def asked(self, tenant: Tenant, bot: str, question: str) -> tuple[str, str, int]:
        answer = tenant.ask(bot, question)
        usage = answer["usage"]
        return answer["message"]["content"], usage["model"], usage["total_tokens"]

    def test_are_not_paid_again_and_go_exactly_with_their_source(
        self, tenant: Tenant, other_tenant: Tenant
    ) -> None:
        told: list[str] = []

        def reply(_system: str, last: str) -> str:
            told.append(last)
            return f"Answer {len(told)} [1]."

        with scripted_model(reply) as base:
            bot = bot_with(tenant, base, cache_answers=True)
            market = tenant.source(bot, "The market of Belmar was opened by Queen Ida.")
            tenant.ingest(market)
            tenant.ready(market)
            assert self.asked(tenant, bot, self.HARBOUR)[0] == "Answer 1 [1]."
            assert self.asked(tenant, bot, self.MARKET)[0] == "Answer 2 [1]."
            again = tenant.ask(bot, "when was the Harbour of corran closed")
            assert again["message"]["content"] == "Answer 1 [1]."
            assert again["usage"] == {
                "model": "local/cache",
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "total_tokens": 0,
            }
            assert again["grounded"] is True
            cited = again["citations"][0]
            opened = tenant.http.get(f"/v1/citations/{cited['citation_id']}").json()
            assert opened["text"] == TEXT
            follow = {"chat_id": again["chat_id"]}
            assert tenant.ask(bot, self.HARBOUR, **follow)["usage"]["model"] != "local/cache"
            assert len(told) == 3

            other = bot_with(tenant, base, cache_answers=True)
            assert self.asked(tenant, other, self.HARBOUR)[0] == "Answer 4 [1]."
            foreign = bot_with(other_tenant, base, cache_answers=True)
            assert self.asked(other_tenant, foreign, self.HARBOUR)[0] == "Answer 5 [1]."

            longer = {"content": "The market of Belmar was opened by Queen Ida in 1802."}
            tenant.http.patch(f"/v1/sources/{market}", json=longer).raise_for_status()
            tenant.ingest(market)
            eventually(lambda: tenant.ask(bot, self.MARKET)["citations"][0]["revision"] == 2)
            before = len(told)
            assert self.asked(tenant, bot, self.HARBOUR) == ("Answer 1 [1].", "local/cache", 0)
            assert self.asked(tenant, bot, self.MARKET)[1] == "local/cache"

            tenant.http.post(f"/v1/sources/{market}/undo").raise_for_status()
            eventually(lambda: tenant.ask(bot, self.MARKET)["citations"][0]["revision"] == 3)
            assert len(told) == before + 1
            assert tenant.http.delete(f"/v1/sources/{market}").status_code == 204
            eventually(lambda: self.asked(tenant, bot, self.MARKET)[1] != "local/cache")

            changed = {"system_prompt": "Answer in verse."}
            tenant.http.patch(f"/v1/bot-profiles/{bot}", json=changed).raise_for_status()
            assert self.asked(tenant, bot, self.HARBOUR)[1] != "local/cache"

    def test_cost_no_translation_either(self, tenant: Tenant) -> None:
        told: list[str] = []

        def reply(system: str, _last: str) -> str:
            told.append(system)
            if system.startswith("You prepare search queries"):
                return json.dumps({"question": "Kiedy?", "translations": {"en": self.HARBOUR}})
            return "W 1998 roku [1]."

        question = "Kiedy zamknięto tamten port nad morzem?"
        with scripted_model(reply) as base:
            bot = bot_with(tenant, base, cache_answers=True)
            assert self.asked(tenant, bot, question)[1] != "local/cache"
            asked = len(told)
            again = self.asked(tenant, bot, question)
        assert again == ("W 1998 roku [1].", "local/cache", 0)
        assert asked == len(told) == 2

    def test_are_given_anew_by_a_bot_that_is_not_told_to(self, tenant: Tenant) -> None:
        with scripted_model(lambda *_: "In 1998 [1].") as base:
            bot = bot_with(tenant, base)
            for _ in range(2):
                assert self.asked(tenant, bot, self.HARBOUR)[1] != "local/cache"
