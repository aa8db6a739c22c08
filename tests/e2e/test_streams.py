"""Streamed answers that are stopped, resumed, watched twice, and broken off."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.harness import Tenant, events
from tests.loopback import QuietHandler, loopback

TEXT = "The harbour of Corran was closed in 1998 because the sea had become too shallow."
QUESTION = "When was the harbour of Corran closed?"


@dataclass
class HeldModel:
    """An OpenAI-compatible server that says two words, and the others when it is let go."""

    url: str = ""
    go: threading.Event = field(default_factory=threading.Event)
    breaks: bool = False
    asked: int = 0
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when it could not say its words."""


@contextmanager
def held_model() -> Iterator[HeldModel]:
    model = HeldModel()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            model.asked += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.say("In 1998 [1] ")
            model.go.wait(60)
            if model.breaks:
                return
            try:
                for n in range(400):
                    self.say(f"word{n} ")
            except OSError:
                model.gone.set()
                return
            usage = {"prompt_tokens": 10, "completion_tokens": 5}
            self.wfile.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def say(self, text: str) -> None:
            chunk = {"choices": [{"delta": {"content": text}}]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()

    with loopback(Handler) as base:
        model.url = f"{base}/v1"
        try:
            yield model
        finally:
            model.go.set()


@pytest.fixture
def model() -> Iterator[HeldModel]:
    with held_model() as held:
        yield held


@pytest.fixture
def bot(tenant: Tenant, model: HeldModel) -> str:
    made = tenant.bot(
        model="openai/held", credentials={"api_base": model.url, "api_key": "k"}, max_tokens=4000
    )
    source = tenant.source(made, TEXT)
    tenant.ingest(source)
    tenant.ready(source)
    return made


def streamed(tenant: Tenant, bot: str) -> Iterator[tuple[str, dict[str, object]]]:
    body = {"bot_profile_id": bot, "message": QUESTION, "stream": True}
    with tenant.http.stream("POST", "/v1/chat", json=body) as answer:
        yield from events(answer.iter_text())


def begin(stream: Iterator[tuple[str, dict[str, object]]]) -> str:
    """Read up to the first words; the turn's id."""
    turn = ""
    for name, data in stream:
        turn = turn or str(data.get("turn_id", ""))
        if name == "delta":
            return turn
    raise AssertionError("no words came")


def words(told: list[tuple[str, dict[str, object]]]) -> str:
    return "".join(str(data["content"]) for name, data in told if name == "delta")


def test_a_stopped_answer_keeps_what_was_said(tenant: Tenant, bot: str, model: HeldModel) -> None:
    stream = streamed(tenant, bot)
    turn = begin(stream)
    assert tenant.http.delete(f"/v1/chat/turns/{turn}").status_code == 204
    name, done = list(stream)[-1]
    assert (name, done["stopped"], done["grounded"]) == ("done", True, True)
    chat = done["chat_id"]
    said = tenant.http.get(f"/v1/chat/{chat}/messages").json()
    assert [message["content"] for message in said] == [QUESTION, "In 1998 [1]"]
    assert said[1]["completion_tokens"] == 3
    model.go.set()
    assert model.gone.wait(60)
    assert tenant.http.delete(f"/v1/chat/turns/{turn}").status_code == 204
    again = list(events(iter([tenant.http.get(f"/v1/chat/turns/{turn}/stream").text])))
    assert again[-1] == (name, done)


def test_nobody_stops_the_turn_of_somebody_else(
    tenant: Tenant, other_tenant: Tenant, bot: str, model: HeldModel
) -> None:
    stream = streamed(tenant, bot)
    turn = begin(stream)
    assert other_tenant.http.delete(f"/v1/chat/turns/{turn}").status_code == 404
    assert tenant.http.delete(f"/v1/chat/turns/{uuid.uuid4()}").status_code == 404
    body = {"name": "bound", "bot_profile_id": bot}
    bound = tenant.http.post("/v1/api-tokens", json=body).json()["raw_token"]
    headers = {"Authorization": f"Bearer {bound}"}
    assert tenant.http.delete(f"/v1/chat/turns/{turn}", headers=headers).status_code == 404
    model.go.set()
    assert list(stream)[-1][0] == "done"


def test_a_reader_that_left_and_one_that_comes_late_see_the_same_answer_which_is_made_once(
    tenant: Tenant, bot: str, model: HeldModel
) -> None:
    stream = streamed(tenant, bot)
    turn = begin(stream)
    path = f"/v1/chat/turns/{turn}/stream"
    with tenant.http.stream("GET", path) as late:
        reading = events(late.iter_text())
        assert begin(reading) == turn
        model.go.set()
        rest = list(reading)
    whole = list(stream)
    resumed = list(events(tenant.http.get(path, headers={"Last-Event-ID": "3"}).iter_text()))
    for one in (whole, rest, resumed):
        # All words came at once: they are told in a few frames, to each at a pace of its own.
        assert {name for name, _ in one[:-1]} == {"delta"}
        assert words(one) == words(whole)
        assert one[-1] == whole[-1]
        assert len(one) < 100
    assert whole[-1][0] == "done"
    assert words(whole).endswith("word399 ")
    assert model.asked == 1


def test_a_model_that_breaks_off_ends_the_stream_with_one_clear_error(
    tenant: Tenant, bot: str, model: HeldModel
) -> None:
    model.breaks = True
    model.go.set()
    frames = list(streamed(tenant, bot))
    names = [name for name, _ in frames]
    assert names == ["turn", "sources", "citations", "delta", "error"]
    assert frames[-1][1] == {
        "detail": "The connection to the language model failed.",
        "code": "llm_failed",
        "retryable": True,
    }
    model.breaks = False

    assert "word399" in tenant.ask(bot, QUESTION)["message"]["content"]
