"""OpenAI-compatible servers that answer, and every way in which they do not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from services.chat.adapters.openai_llm import OpenAiModel, spent
from services.chat.adapters.patience import ATTEMPTS
from services.chat.domain.prompt import Turn
from services.chat.ports import ModelFailed, Prompt, Spent, Text
from shared.adapters.egress import egress_client
from tests.unit.servers import Conversation, Server, Talk, scripted, serving

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
DONE = b"data: [DONE]\n\n"
KEY = "sk-canary-0123456789"
PROMPT = Prompt(
    model="openai/small",
    messages=[Turn("system", "Be kind."), Turn("user", "How long?")],
    question="How long?",
    passages=[],
    temperature=0.2,
    max_tokens=50,
)

PATIENT, IMPATIENT = 120.0, 0.5
"""Seconds for a first token, and between two."""
Model = Callable[[Server], OpenAiModel]


def chunk(content: str | None = None, **fields: Any) -> bytes:
    delta = {} if content is None else {"content": content}
    return b"data: " + json.dumps({"choices": [{"delta": delta}], **fields}).encode() + b"\n\n"


def usage(prompt: Any = 11, completion: Any = 3) -> bytes:
    told = {"prompt_tokens": prompt, "completion_tokens": completion}
    return b"data: " + json.dumps({"choices": [], "usage": told}).encode() + b"\n\n"


def streaming(*pieces: bytes) -> Talk:
    async def talk(conversation: Conversation) -> None:
        await conversation.send(HEAD, *pieces)

    return talk


def answering(status: int, body: bytes = b"the provider's own words", **headers: str) -> Talk:
    async def talk(conversation: Conversation) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await conversation.answer(status, body, named)

    return talk


GOOD = streaming(chunk("Seven "), chunk("years."), chunk(), usage(), DONE)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with egress_client(allow_loopback=True, timeout=60, max_redirects=0) as client:
        yield client


def asking(http: httpx.AsyncClient, seconds: float) -> Model:
    def make(server: Server) -> OpenAiModel:
        return OpenAiModel(
            http,
            f"{server.url}/v1/",
            KEY,
            first_token_seconds=seconds,
            idle_seconds=seconds,
            retry_seconds=0.01,
        )

    return make


@pytest.fixture
def model(http: httpx.AsyncClient) -> Model:
    return asking(http, PATIENT)


@pytest.fixture
def hurried(http: httpx.AsyncClient) -> Model:
    return asking(http, IMPATIENT)


async def collect(model: OpenAiModel, said: list[str] | None = None) -> tuple[str, Spent]:
    """The whole text and what it took; what came before a failure stands in `said`."""
    said = [] if said is None else said
    took: Spent | None = None
    async with aclosing(model.stream(PROMPT)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Text):
                said.append(piece.text)
            else:
                took = piece
    assert took is not None
    return "".join(said), took


async def failure(model: OpenAiModel, said: list[str] | None = None) -> ModelFailed:
    with pytest.raises(ModelFailed) as raised:
        await collect(model, said)
    assert KEY not in str(raised.value)
    assert "provider" not in raised.value.detail
    return raised.value


class TestAnAnswer:
    async def test_comes_in_pieces_with_what_it_took(self, model: Model) -> None:
        async with serving(GOOD) as server:
            assert await collect(model(server)) == ("Seven years.", Spent("openai/small", 11, 3))
        asked = server.requests[0]
        assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert json.loads(asked.body) == {
            "model": "small",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "How long?"},
            ],
            "temperature": 0.2,
            "max_tokens": 50,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    async def test_without_a_key_carries_none(self, http: httpx.AsyncClient) -> None:
        async with serving(GOOD) as server:
            await collect(OpenAiModel(http, server.url, None))
        assert "authorization" not in server.requests[0].headers

    async def test_may_be_cut_by_the_network_anywhere(self, model: Model) -> None:
        whole = b"".join([chunk("Größe "), chunk("東京"), usage(), DONE])
        async with serving(streaming(*[whole[n : n + 1] for n in range(len(whole))])) as server:
            text, _ = await collect(model(server))
        assert text == "Größe 東京"

    @pytest.mark.parametrize(
        "odd",
        [
            b"data: not json\n\n",
            b"data: []\n\n",
            b"data: 5\n\n",
            b"data: null\n\n",
            b'data: {"choices": "x"}\n\n',
            b'data: {"choices": [5]}\n\n',
            b'data: {"choices": [{"delta": null}]}\n\n',
            b'data: {"choices": [{"delta": {"content": ["x"]}}]}\n\n',
            b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
            b'data: {"usage": "many"}\n\n',
            b": a comment\n\n",
            b"event: ping\ndata: {}\n\n",
            b"\n\n\n",
        ],
        ids=str,
    )
    async def test_survives_a_piece_nobody_can_read(self, model: Model, odd: bytes) -> None:
        async with serving(streaming(chunk("Seven "), odd, chunk("years."), DONE)) as server:
            text, _ = await collect(model(server))
        assert text == "Seven years."

    async def test_may_end_with_a_reason_instead_of_a_mark(self, model: Model) -> None:
        last = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
        async with serving(streaming(chunk("Seven."), last)) as server:
            assert (await collect(model(server)))[0] == "Seven."

    async def test_that_is_not_counted_is_estimated(self, model: Model) -> None:
        async with serving(streaming(chunk("Seven years."), DONE)) as server:
            _, took = await collect(model(server))
        assert took == Spent("openai/small", 5, 3)


class TestBeforeTheFirstPiece:
    @pytest.mark.parametrize("status", [401, 403])
    async def test_refused_credentials_are_final(self, model: Model, status: int) -> None:
        async with serving(answering(status)) as server:
            failed = await failure(model(server))
        assert (failed.code, failed.retryable, failed.status) == ("llm_auth", False, 502)
        assert server.connections == 1

    @pytest.mark.parametrize("status", [400, 405, 422])
    async def test_a_request_that_is_wrong_is_not_repeated(self, model: Model, status: int) -> None:
        async with serving(answering(status)) as server:
            failed = await failure(model(server))
        assert (failed.code, failed.retryable) == ("llm_failed", False)
        assert server.connections == 1

    @pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
    async def test_what_may_pass_is_tried_three_times(self, model: Model, status: int) -> None:
        async with serving(answering(status)) as server:
            failed = await failure(model(server))
        assert (failed.code, failed.retryable) == ("llm_failed", True)
        assert server.connections == ATTEMPTS

    async def test_and_forgotten_when_it_has_passed(self, model: Model) -> None:
        async with scripted(answering(503), answering(429), GOOD) as server:
            assert (await collect(model(server)))[0] == "Seven years."

    async def test_too_many_requests_says_when_to_come_again(self, model: Model) -> None:
        async with serving(answering(429, Retry_After="37")) as server:
            failed = await failure(model(server))
        assert (failed.code, failed.status, failed.retry_after) == ("llm_rate_limited", 429, 37.0)
        assert server.connections == 1, "nobody waits so long for an answer"

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            ({"code": "context_length_exceeded"}, "llm_context_too_long"),
            ({"code": None, "type": "insufficient_quota"}, "llm_quota"),
            ({"code": "content_filter"}, "llm_content_filter"),
            ({"code": "other", "type": ["odd"]}, "llm_failed"),
            ("a text", "llm_failed"),
        ],
    )
    async def test_a_reason_that_is_told_is_passed_on_in_our_words(
        self, model: Model, error: Any, code: str
    ) -> None:
        body = json.dumps({"error": error}).encode()
        async with serving(answering(400, body)) as server:
            assert (await failure(model(server))).code == code

    async def test_content_that_is_filtered_is_not_taken_for_an_answer(self, model: Model) -> None:
        filtered = {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}
        last = b"data: " + json.dumps(filtered).encode() + b"\n\n"
        async with serving(streaming(chunk("Se"), last, DONE)) as server:
            assert (await failure(model(server))).code == "llm_content_filter"

    async def test_a_server_that_says_nothing_has_timed_out(self, hurried: Model) -> None:
        async with serving(Conversation.hang) as server:
            failed = await failure(hurried(server))
        assert (failed.code, failed.status, failed.retryable) == ("llm_timeout", 504, True)

    async def test_a_server_that_is_not_there_is_unreachable(self, model: Model) -> None:
        async with serving(GOOD) as server:
            pass
        failed = await failure(model(server))
        assert (failed.code, failed.retryable) == ("llm_failed", True)

    @pytest.mark.parametrize(
        "talk",
        [
            answering(200, b'{"choices": []}', Content_Type="application/json"),
            answering(302, b"", Location="http://127.0.0.1:1/"),
            streaming(),
            streaming(b"data: {}\n\n"),
        ],
    )
    async def test_what_is_no_stream_is_a_failure(self, model: Model, talk: Talk) -> None:
        async with serving(talk) as server:
            assert (await failure(model(server))).code == "llm_failed"

    @pytest.mark.parametrize(
        ("base", "key"),
        [
            ("http://10.0.0.1/v1", "k"),
            ("http://169.254.169.254/v1", "k"),
            ("http://[::1", "k"),
            ("http://127.0.0.1:1/v1", "schlüssel-ключ"),
        ],
    )
    async def test_an_address_or_key_that_cannot_be_used_is_final(
        self, http: httpx.AsyncClient, base: str, key: str
    ) -> None:
        failed = await failure(OpenAiModel(http, base, key))
        assert (failed.code, failed.retryable) == ("llm_misconfigured", False)


class TestAfterTheFirstPiece:
    @pytest.mark.parametrize(
        "rest",
        [
            [],
            [b'data: {"error": {"message": "the provider failed"}}\n\n', DONE],
            [b'data: {"choices": [{"delta": {"con'],
        ],
    )
    async def test_a_failure_is_told_and_nothing_said_twice(
        self, model: Model, rest: list[bytes]
    ) -> None:
        said: list[str] = []
        async with serving(streaming(chunk("Seven "), *rest)) as server:
            failed = await failure(model(server), said)
        assert (failed.code, said) == ("llm_failed", ["Seven "])
        assert server.connections == 1

    async def test_a_server_that_falls_silent_has_timed_out(self, http: httpx.AsyncClient) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.send(HEAD, chunk("Seven "))
            await conversation.hang()

        said: list[str] = []
        async with serving(talk) as server:
            model = asking(http, 4 * IMPATIENT)(server)
            assert (await failure(model, said)).code == "llm_timeout"
        assert (said, server.connections) == (["Seven "], 1)

    async def test_a_reader_who_leaves_closes_the_connection(self, model: Model) -> None:
        closed = asyncio.Event()

        async def talk(conversation: Conversation) -> None:
            await conversation.send(HEAD, chunk("Seven "))
            await conversation.hang()
            closed.set()

        async with serving(talk) as server:
            async with aclosing(model(server).stream(PROMPT)) as pieces:
                assert await anext(pieces) == Text("Seven ")
            async with asyncio.timeout(120):
                await closed.wait()

    async def test_who_talks_without_end_is_cut_off(self) -> None:
        async with (
            serving(streaming(*[chunk("x" * 900)] * 20, DONE)) as server,
            egress_client(allow_loopback=True, timeout=60, max_body=10_000) as client,
        ):
            failed = await failure(OpenAiModel(client, server.url, KEY))
        assert (failed.code, failed.retryable) == ("llm_failed", False)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 2}, (7, 2)),
        ({"prompt_tokens": 7}, (7, 0)),
        ({"prompt_tokens": 0, "completion_tokens": None}, (0, 0)),
        ({"prompt_tokens": "7"}, (5, 2)),
        ({}, (5, 2)),
        (None, (5, 2)),
    ],
)
def test_usage_is_what_the_server_counted_or_an_estimate(
    told: dict[str, Any] | None, expected: tuple[int, int]
) -> None:
    took = spent(PROMPT, told, said=8)
    assert (took.prompt_tokens, took.completion_tokens) == expected
