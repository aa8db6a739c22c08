"""Embedding models that are asked elsewhere: which a bot can reach, and what they may answer."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from shared.adapters import static_embedder
from shared.adapters.egress import egress_client
from shared.adapters.embedding import BATCH, EmbeddingModels, Unreachable
from shared.adapters.model_prices import embedding_price
from shared.kernel.errors import Throttled, Unavailable
from tests.unit.servers import Conversation, Talk, serving

KEY = "sk-canary-0123456789"


@pytest.fixture
async def models() -> AsyncIterator[EmbeddingModels]:
    async with (
        egress_client(allow_loopback=True, timeout=60, max_redirects=0) as guarded,
        httpx.AsyncClient(timeout=60, trust_env=False) as trusted,
    ):
        yield EmbeddingModels(guarded, trusted)


async def numbers(conversation: Conversation) -> None:
    """The last first, as the order is not promised; not of unit length."""
    asked = json.loads(conversation.body)["input"]
    data = [{"index": n, "embedding": [3.0 * n, 4.0 * n + 1]} for n in range(len(asked))]
    await conversation.answer(200, json.dumps({"data": data[::-1]}).encode())


def saying(status: int, body: bytes = b"{}", **headers: str) -> Talk:
    async def talk(conversation: Conversation) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await conversation.answer(status, body, named)

    return talk


async def embed(models: EmbeddingModels, talk: Talk, *texts: str) -> tuple[list[bytes], Any]:
    async with serving(talk) as server:
        credentials = {"embedding_api_base": f"{server.url}/v1/", "embedding_api_key": KEY}
        return await models.embed("openai/tiny", texts or ("one",), credentials, "x"), server


class TestAServer:
    async def test_gives_unit_vectors_in_the_order_of_the_texts(
        self, models: EmbeddingModels
    ) -> None:
        vectors, server = await embed(models, numbers, "one", "two")
        found = [np.frombuffer(vector, "<f4") for vector in vectors]
        assert [float(np.linalg.norm(one)) for one in found] == pytest.approx([1, 1])
        assert found[0].tolist() == pytest.approx([0, 1])
        [request] = server.requests
        assert (request.method, request.path) == ("POST", "/v1/embeddings")
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert json.loads(request.body) == {"model": "tiny", "input": ["one", "two"]}

    async def test_is_asked_in_batches(self, models: EmbeddingModels) -> None:
        vectors, server = await embed(models, numbers, *(f"text {n}" for n in range(BATCH + 1)))
        assert len(vectors) == BATCH + 1
        assert [len(json.loads(one.body)["input"]) for one in server.requests] == [BATCH, 1]

    @pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("soon", None)])
    async def test_that_is_asked_too_often_says_how_long_to_pause(
        self, models: EmbeddingModels, said: str, seconds: float | None
    ) -> None:
        with pytest.raises(Throttled) as failure:
            await embed(models, saying(429, retry_after=said))
        assert failure.value.retry_after == seconds

    async def test_that_fails_may_work_later(self, models: EmbeddingModels) -> None:
        with pytest.raises(Unavailable):
            await embed(models, saying(503))

    @pytest.mark.parametrize(
        "talk",
        [
            saying(401),
            saying(404),
            saying(307, location="http://127.0.0.1:1/"),
            saying(200, b"<html>"),
            saying(200, b'{"data": []}'),
            saying(200, b'{"data": [{"index": 0, "embedding": "abc"}]}'),
            saying(200, b'{"data": [{"index": 0, "embedding": []}]}'),
            saying(200, b'{"data": [{"index": 0, "embedding": [NaN]}]}'),
            saying(200, b'{"data": 7}'),
        ],
    )
    async def test_that_cannot_be_used_is_told_without_the_key(
        self, models: EmbeddingModels, talk: Talk
    ) -> None:
        with pytest.raises(Unreachable) as failure:
            await embed(models, talk)
        assert KEY not in str(failure.value)

    async def test_at_an_inner_address_is_not_asked(self) -> None:
        async with (
            egress_client(timeout=60, max_redirects=0) as guarded,
            httpx.AsyncClient(trust_env=False) as trusted,
            serving(numbers) as server,
        ):
            models = EmbeddingModels(guarded, trusted)
            with pytest.raises(Unreachable):
                await models.embed("tiny", ["x"], {"embedding_api_base": server.url}, "x")
            assert server.connections == 0


class TestTheModelThatIsUsed:
    @pytest.mark.parametrize(
        ("name", "credentials", "chat_model"),
        [
            ("text-embedding-3-small", {"api_key": KEY}, "gpt-4o-mini"),
            ("text-embedding-3-small", {"embedding_api_key": KEY}, "claude-x"),
            ("anything", {"embedding_api_base": "https://me.example/v1"}, "gpt-4o-mini"),
            ("gemini/gemini-embedding-001", {"api_key": KEY}, "gemini/flash"),
            ("voyage/voyage-3", {"embedding_api_key": KEY}, "gpt-4o-mini"),
        ],
    )
    def test_is_the_one_that_a_bot_names_and_can_reach(
        self, models: EmbeddingModels, name: str, credentials: dict[str, str], chat_model: str
    ) -> None:
        assert models.effective(name, credentials, chat_model) == name

    @pytest.mark.parametrize(
        ("name", "credentials", "chat_model"),
        [
            (None, {"api_key": KEY}, "gpt-4o-mini"),
            ("e", {"api_key": KEY}, "gpt-4o-mini"),
            ("text-embedding-3-small", {}, "gpt-4o-mini"),
            ("text-embedding-3-small", {"api_key": KEY}, "claude-x"),
            ("text-embedding-3-small", {"api_key": KEY, "api_base": "https://x"}, "gpt-4o-mini"),
            ("voyage/voyage-3", {"api_key": KEY}, "gpt-4o-mini"),
            ("local/other", {"embedding_api_key": KEY}, "gpt-4o-mini"),
        ],
    )
    def test_is_the_bundled_one_otherwise(
        self,
        models: EmbeddingModels,
        name: str | None,
        credentials: dict[str, str],
        chat_model: str,
    ) -> None:
        assert models.effective(name, credentials, chat_model) == static_embedder.MODEL

    async def test_may_be_reached_with_the_key_of_the_operator(
        self, models: EmbeddingModels
    ) -> None:
        async with serving(numbers) as server:
            ours = EmbeddingModels(models.guarded, models.trusted, KEY, server.url)
            assert ours.effective("text-embedding-3-small", {}, "x") == "text-embedding-3-small"
            assert await ours.embed("text-embedding-3-small", ["one"], {}, "x")
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_prices_are_those_of_litellms_table() -> None:
    assert await embedding_price("text-embedding-3-small") == pytest.approx(2e-8)
    assert await embedding_price("openai/text-embedding-3-large") == pytest.approx(1.3e-7)
    assert await embedding_price("my-own") is None
