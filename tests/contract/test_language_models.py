"""Whoever asks a provider, directly or through LiteLLM, meets the same failures."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol

import httpx
import pytest

from services.chat.adapters.litellm_llm import LiteLlmModel
from services.chat.adapters.openai_llm import OpenAiModel
from services.chat.adapters.patience import ATTEMPTS, LONGEST_ANSWER
from services.chat.domain.prompt import Turn
from services.chat.ports import LanguageModel, ModelFailed, Prompt, Spent, Text
from shared.adapters.egress import egress_client
from tests.unit.servers import Conversation, Server, Talk, scripted, serving

pytestmark = [
    pytest.mark.timeout(600),  # LiteLLM takes long to import on a busy machine
    # LiteLLM's own copying of chunks.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute"),
    # Of its types, as pydantic first looks at them: in whichever test that is.
    pytest.mark.filterwarnings("ignore:.*using the `ReadOnly` qualifier:UserWarning"),
]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
DONE = b"data: [DONE]\n\n"
KEY = "sk-canary-0123456789"
WORDS = "the provider's own words"
PATIENT, IMPATIENT = 60.0, 0.2
"""Seconds for a first token, and between two."""

Asked = tuple[LanguageModel, Prompt]


class Asking(Protocol):
    def __call__(self, url: str, seconds: float = PATIENT) -> Asked:
        """A model that asks the server at this address so patiently, and what it is asked."""
        ...


def prompt(model: str, **credentials: str) -> Prompt:
    return Prompt(
        model=model,
        messages=[Turn("system", "Be kind."), Turn("user", "How long?")],
        question="How long?",
        passages=[],
        temperature=0.2,
        max_tokens=50,
        credentials=credentials,
    )


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with egress_client(allow_loopback=True, timeout=60, max_redirects=0) as client:
        yield client


@pytest.fixture(params=["direct", "openai/small", "deepseek/small"])
def asking(request: pytest.FixtureRequest, http: httpx.AsyncClient) -> Asking:
    """`openai/` goes through another package inside LiteLLM than other OpenAI-compatible ones."""
    if request.param == "direct":

        def direct(url: str, seconds: float = PATIENT) -> Asked:
            model = OpenAiModel(
                http,
                f"{url}/v1",
                KEY,
                first_token_seconds=seconds,
                idle_seconds=seconds,
                retry_seconds=0.01,
            )
            return model, prompt("small")

        return direct

    def through(url: str, seconds: float = PATIENT) -> Asked:
        return general(seconds), prompt(request.param, api_key=KEY, api_base=f"{url}/v1")

    return through


def general(seconds: float = PATIENT) -> LiteLlmModel:
    return LiteLlmModel(first_token_seconds=seconds, idle_seconds=seconds, retry_seconds=0.01)


def chunk(content: str | None = None, finish: str | None = None) -> bytes:
    delta = {} if content is None else {"role": "assistant", "content": content}
    return data(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def chunked(piece: bytes) -> bytes:
    """A piece of a body; an empty one ends it (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def data(**fields: Any) -> bytes:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "small"}
    return b"data: " + json.dumps({**head, **fields}).encode() + b"\n\n"


USAGE = data(choices=[], usage={"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14})
STOP = chunk(finish="stop")


def streaming(*pieces: bytes) -> Talk:
    async def talk(conversation: Conversation) -> None:
        await conversation.send(HEAD, *pieces)

    return talk


def error(code: str | None = None, message: str = WORDS) -> bytes:
    return json.dumps({"error": {"message": message, "code": code, "type": "x"}}).encode()


def answering(
    status: int, body: bytes = b"", kind: str = "application/json", **headers: str
) -> Talk:
    async def talk(conversation: Conversation) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await conversation.answer(status, body or error(), {"Content-Type": kind, **named})

    return talk


GOOD = streaming(chunk("Seven "), chunk("years."), STOP, USAGE, DONE)


async def collect(asked: Asked, said: list[str] | None = None) -> tuple[str, Spent]:
    """The whole text and what it took; what came before a failure stands in `said`."""
    said = [] if said is None else said
    took: list[Spent] = []
    model, prompt = asked
    async with aclosing(model.stream(prompt)) as pieces:
        async for piece in pieces:
            assert not took, "what was spent comes last"
            if isinstance(piece, Text):
                said.append(piece.text)
            else:
                took.append(piece)
    [spent] = took
    return "".join(said), spent


async def failure(asked: Asked, said: list[str] | None = None) -> ModelFailed:
    with pytest.raises(ModelFailed) as raised:
        await collect(asked, said)
    assert KEY not in str(raised.value)
    assert WORDS not in raised.value.detail
    return raised.value


class TestAnAnswer:
    async def test_comes_in_pieces_with_what_it_took(self, asking: Asking) -> None:
        said: list[str] = []
        async with serving(GOOD) as server:
            _, took = await collect(asking(server.url), said)
        assert said == ["Seven ", "years."]
        assert (took.prompt_tokens, took.completion_tokens) == (11, 3)

    async def test_is_asked_for_with_the_key_and_all_that_was_told(self, asking: Asking) -> None:
        async with serving(GOOD) as server:
            await collect(asking(server.url))
        [request] = server.requests
        body = json.loads(request.body)
        assert request.path == "/v1/chat/completions"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert [one["content"] for one in body["messages"]] == ["Be kind.", "How long?"]
        assert (body["model"], body["max_tokens"], body["temperature"]) == ("small", 50, 0.2)
        assert body["stream"]

    async def test_that_nobody_counted_is_estimated(self, asking: Asking) -> None:
        async with serving(streaming(chunk("Seven years."), STOP, DONE)) as server:
            text, took = await collect(asking(server.url))
        assert text == "Seven years."
        assert took.prompt_tokens > 0
        assert took.completion_tokens > 0

    async def test_in_one_large_piece_is_an_answer(self, asking: Asking) -> None:
        large = "x" * 200_000
        async with serving(streaming(chunk(large), STOP, USAGE, DONE)) as server:
            text, _ = await collect(asking(server.url))
        assert text == large

    async def test_without_end_is_cut_off(self, asking: Asking) -> None:
        large = chunk("x" * (LONGEST_ANSWER // 4))
        async with serving(streaming(*[large] * 20, STOP, DONE)) as server:
            failed = await failure(asking(server.url))
        assert (failed.code, failed.retryable, server.connections) == ("llm_failed", False, 1)

    async def test_leaves_its_connection_to_the_next_one(self, http: httpx.AsyncClient) -> None:
        async def talk(conversation: Conversation) -> None:
            conversation.stays = True
            pieces = [chunk("Seven "), chunk("years."), STOP, USAGE, DONE, b""]
            await conversation.send(CHUNKED, *map(chunked, pieces))

        async with serving(talk) as server:
            model = OpenAiModel(http, f"{server.url}/v1", KEY)
            texts = [(await collect((model, prompt("small"))))[0] for _ in range(3)]
        assert texts == ["Seven years."] * 3
        assert (len(server.requests), server.connections) == (3, 1)

    async def test_is_whole_though_its_body_does_not_end(self, http: httpx.AsyncClient) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.send(HEAD, chunk("Seven years."), STOP, USAGE, DONE)
            await conversation.hang()

        async with serving(talk) as server:
            model = OpenAiModel(http, f"{server.url}/v1", KEY)
            text, took = await collect((model, prompt("small")))
        assert (text, took.completion_tokens, server.connections) == ("Seven years.", 3, 1)

    async def test_that_nobody_waits_for_any_more_is_let_go(self, asking: Asking) -> None:
        closed = asyncio.Event()

        async def talk(conversation: Conversation) -> None:
            await conversation.send(HEAD, chunk("Seven "))
            await conversation.hang()
            closed.set()

        async with serving(talk) as server:
            model, prompt = asking(server.url)
            async with aclosing(model.stream(prompt)) as pieces:
                assert await anext(pieces) == Text("Seven ")
            async with asyncio.timeout(120):
                await closed.wait()


def google(quota: str) -> bytes:
    """How Gemini tells of a quota."""
    told = "You exceeded your current quota, please check your plan. Please retry in 36.5s."
    error = {
        "code": 429,
        "message": told,
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"violations": [{"quotaId": quota}]}],
    }
    return json.dumps({"error": error}).encode()


REFUSALS = {
    "a bad key": (answering(401, error("invalid_api_key")), "llm_auth"),
    "a key without rights": (answering(403), "llm_auth"),
    "no such model": (answering(404, error("model_not_found")), "llm_misconfigured"),
    "no such path": (answering(404, b"<h1>Not here</h1>", "text/html"), "llm_misconfigured"),
    "a bad request": (answering(400), "llm_failed"),
    "no quota": (answering(429, error("insufficient_quota")), "llm_quota"),
    "no quota, in words": (
        answering(429, error(None, "You exceeded your current quota.")),
        "llm_quota",
    ),
    "a day's quota of Google": (answering(429, google("GenerateRequestsPerDay")), "llm_quota"),
    "nothing paid": (answering(402), "llm_quota"),
    "too long": (answering(400, error("context_length_exceeded")), "llm_context_too_long"),
    "too long, in words": (
        answering(400, error(None, "This model's maximum context length is 8192 tokens.")),
        "llm_context_too_long",
    ),
    "too large": (answering(413), "llm_context_too_long"),
    "filtered": (answering(400, error("content_filter")), "llm_content_filter"),
    "filtered, in words": (
        answering(400, error(None, "Rejected by our safety system.")),
        "llm_content_filter",
    ),
}
"""What a repeat does not help against, and the code that it is told with."""

FAILURES = {
    "a fault": answering(500),
    "a gateway's fault": answering(502, b"<h1>Bad gateway</h1>", "text/html"),
    "too busy": answering(503),
    "an empty stream": streaming(),
    "only the mark of the end": streaming(b"data: {}\n\n"),
    "another kind of content": answering(200, b'{"choices": []}'),
    "a page": answering(200, b"<html>Log in</html>", "text/html"),
}
"""What may pass, before anything was said."""


class TestBeforeTheFirstPiece:
    @pytest.mark.parametrize("which", REFUSALS)
    async def test_a_refusal_is_told_by_its_code_and_final(
        self, asking: Asking, which: str
    ) -> None:
        talk, code = REFUSALS[which]
        async with serving(talk) as server:
            failed = await failure(asking(server.url))
        assert (failed.code, failed.retryable, server.connections) == (code, False, 1)

    @pytest.mark.parametrize("which", FAILURES)
    async def test_what_may_pass_is_tried_again(self, asking: Asking, which: str) -> None:
        async with serving(FAILURES[which]) as server:
            failed = await failure(asking(server.url))
        assert (failed.code, failed.retryable) == ("llm_failed", True)
        assert server.connections == ATTEMPTS

    async def test_and_forgotten_when_it_has_passed(self, asking: Asking) -> None:
        async with scripted(answering(503), answering(429), GOOD) as server:
            assert (await collect(asking(server.url)))[0] == "Seven years."

    async def test_too_many_requests_says_when_to_come_again(self, asking: Asking) -> None:
        async with serving(answering(429, Retry_After="37")) as server:
            failed = await failure(asking(server.url))
        assert (failed.code, failed.status, failed.retryable) == ("llm_rate_limited", 429, True)
        assert (failed.retry_after, server.connections) == (37.0, 1)

    async def test_a_limit_a_minute_that_is_worded_as_a_quota_passes(self, asking: Asking) -> None:
        async with serving(answering(429, google("GenerateRequestsPerMinute"))) as server:
            failed = await failure(asking(server.url))
        assert (failed.code, failed.status, failed.retryable) == ("llm_rate_limited", 429, True)
        assert (failed.retry_after, server.connections) == (36.5, 1)

    async def test_too_many_requests_without_a_time_is_tried_again(self, asking: Asking) -> None:
        async with serving(answering(429)) as server:
            failed = await failure(asking(server.url))
        assert (failed.code, failed.retry_after) == ("llm_rate_limited", None)
        assert server.connections == ATTEMPTS

    async def test_a_server_that_says_nothing_has_timed_out(self, asking: Asking) -> None:
        async with serving(Conversation.hang) as server:
            failed = await failure(asking(server.url, IMPATIENT))
        assert (failed.code, failed.status, failed.retryable) == ("llm_timeout", 504, True)

    async def test_a_server_that_only_greets_has_timed_out(self, asking: Asking) -> None:
        async def greet(conversation: Conversation) -> None:
            await conversation.send(HEAD)
            await conversation.hang()

        async with serving(greet) as server:
            failed = await failure(asking(server.url, IMPATIENT))
        assert (failed.code, failed.status) == ("llm_timeout", 504)

    async def test_a_server_that_is_not_there_is_unreachable(self, asking: Asking) -> None:
        async with serving(GOOD) as server:
            pass
        failed = await failure(asking(server.url))
        assert (failed.code, failed.retryable) == ("llm_failed", True)
        assert "connection" in failed.detail


BREAKS = {
    "the connection is cut": (streaming(chunk("Seven ")), "llm_failed"),
    "a chunk is cut": (streaming(chunk("Seven "), chunk("years.")[:-20]), "llm_failed"),
    "an error is told": (
        streaming(chunk("Seven "), b'data: {"error": {"message": "no", "code": 500}}\n\n', DONE),
        "llm_failed",
    ),
    "the content is filtered": (
        streaming(chunk("Seven "), chunk(finish="content_filter"), DONE),
        "llm_content_filter",
    ),
}


class TestAfterTheFirstPiece:
    @pytest.mark.parametrize("which", BREAKS)
    async def test_a_failure_is_told_and_nothing_said_twice(
        self, asking: Asking, which: str
    ) -> None:
        talk, code = BREAKS[which]
        said: list[str] = []
        async with serving(talk) as server:
            failed = await failure(asking(server.url), said)
        assert (failed.code, said, server.connections) == (code, ["Seven "], 1)

    async def test_a_server_that_falls_silent_has_timed_out(self, asking: Asking) -> None:
        async def talk(conversation: Conversation) -> None:
            await conversation.send(HEAD, chunk("Seven "))
            await conversation.hang()

        async with serving(talk) as server:
            model, prompt = asking(server.url, IMPATIENT)
            failed = await failure((model, prompt))
        assert (failed.code, failed.status) == ("llm_timeout", 504)

    @pytest.mark.parametrize("odd", [b"data: not json\n\n", b'data: {"choices": "x"}\n\n'])
    async def test_what_nobody_can_read_ends_in_the_whole_answer_or_in_a_failure(
        self, asking: Asking, odd: bytes
    ) -> None:
        said: list[str] = []
        async with serving(streaming(chunk("Seven "), odd, chunk("years."), STOP, DONE)) as server:
            [ended] = await asyncio.gather(
                collect(asking(server.url), said), return_exceptions=True
            )
        if isinstance(ended, BaseException):
            assert isinstance(ended, ModelFailed)
            assert (ended.code, said) == ("llm_failed", ["Seven "])
        else:
            assert ended[0] == "Seven years."


def named(name: str, **fields: Any) -> bytes:
    """An event of a stream of Anthropic's."""
    told = json.dumps({"type": name, **fields})
    return f"event: {name}\ndata: {told}\n\n".encode()


BEGUN = named(
    "message_start",
    message={
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 11, "output_tokens": 1},
    },
)
SPOKEN = named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Seven years."})
OVER = (
    named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
    named("message_stop"),
)


class TestAProviderWithAnApiOfItsOwn:
    """Anthropic's, in its own form."""

    @staticmethod
    def asked(server: Server) -> Asked:
        return general(), prompt("anthropic/claude", api_key=KEY, api_base=server.url)

    async def test_answers_in_pieces_with_what_it_took(self) -> None:
        async with serving(streaming(BEGUN, SPOKEN, *OVER)) as server:
            text, took = await collect(self.asked(server))
        assert text == "Seven years."
        assert (took.model, took.prompt_tokens, took.completion_tokens) == (
            "anthropic/claude",
            11,
            3,
        )
        assert server.requests[0].headers["x-api-key"] == KEY

    @pytest.mark.parametrize(
        ("status", "kind", "message", "code"),
        [
            (401, "authentication_error", "invalid x-api-key", "llm_auth"),
            (404, "not_found_error", "model: claude", "llm_misconfigured"),
            (400, "invalid_request_error", "prompt is too long", "llm_context_too_long"),
            (400, "invalid_request_error", "Your credit balance is too low", "llm_quota"),
            (413, "request_too_large", WORDS, "llm_context_too_long"),
        ],
    )
    async def test_refuses_for_a_reason(
        self, status: int, kind: str, message: str, code: str
    ) -> None:
        told = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
        async with serving(answering(status, told)) as server:
            failed = await failure(self.asked(server))
        assert (failed.code, failed.retryable, server.connections) == (code, False, 1)

    async def test_that_is_overloaded_is_tried_again(self) -> None:
        body = b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
        async with serving(answering(529, body)) as server:
            failed = await failure(self.asked(server))
        assert (failed.code, failed.retryable) == ("llm_failed", True)
        assert server.connections == ATTEMPTS

    async def test_that_breaks_off_has_failed(self) -> None:
        said: list[str] = []
        async with serving(streaming(BEGUN, SPOKEN)) as server:
            failed = await failure(self.asked(server), said)
        assert (failed.code, said) == ("llm_failed", ["Seven years."])
