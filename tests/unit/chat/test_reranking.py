"""A bot's reranker: the HTTP form it is asked in, and what becomes of the order if it fails."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import httpx
import orjson
import pytest
from typing_extensions import override

from services.chat.adapters.reranker import HttpReranker
from services.chat.adapters.reranking import PASSAGES, RerankingRetriever
from services.chat.ports import Found, Query, Reranker, RerankFailed, Retrieval
from shared.adapters.egress import egress_client
from shared.contracts.chat import BotSettings
from tests.unit.chat.fakes import GivenChunks, OneBot
from tests.unit.chat.samples import found
from tests.unit.servers import Conversation, Talk, serving

KEY = "rr-canary-0123456789"
CREDENTIALS = {"rerank_api_base": "http://rerank.example/v1", "rerank_api_key": KEY}


def saying(status: int, body: object) -> Talk:
    async def talk(conversation: Conversation) -> None:
        await conversation.answer(status, json.dumps(body).encode())

    return talk


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with egress_client(allow_loopback=True, timeout=30, max_redirects=0) as one:
        yield one


class TestTheHttpForm:
    async def test_scores_come_by_place_in_any_order(self, client: httpx.AsyncClient) -> None:
        results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": -3}]
        async with serving(saying(200, {"results": results})) as server:
            scores = await HttpReranker(client).scores(
                f"{server.url}/v1/", KEY, "rerank-1", "Why?", ["one", "two"]
            )
        assert scores == {0: -3.0, 1: 0.9}
        [request] = server.requests
        assert (request.method, request.path) == ("POST", "/v1/rerank")
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert json.loads(request.body) == {
            "model": "rerank-1",
            "query": "Why?",
            "documents": ["one", "two"],
        }

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, {}),
            (401, {"error": KEY}),
            (302, {}),
            (200, {"results": []}),
            (200, {"results": [{"index": 2, "relevance_score": 1}]}),
            (200, {"results": [{"index": 0, "relevance_score": "NaN"}]}),
            (200, {"results": [{"index": float("inf"), "relevance_score": 1}]}),
            (200, {"results": [{"index": 0}]}),
            (200, {"data": []}),
            (200, []),
        ],
    )
    async def test_what_is_no_score_of_every_shape_is_a_failure_without_the_key(
        self, client: httpx.AsyncClient, status: int, body: object
    ) -> None:
        async with serving(saying(status, body)) as server:
            with pytest.raises(RerankFailed) as failure:
                await HttpReranker(client).scores(server.url, KEY, "m", "q", ["one", "two"])
        assert KEY not in str(failure.value)

    async def test_a_server_that_does_not_answer_is_given_up(
        self, client: httpx.AsyncClient
    ) -> None:
        async with serving(Conversation.hang) as server:
            with pytest.raises(RerankFailed, match="in time"):
                await HttpReranker(client, 0.05).scores(server.url, None, "m", "q", ["one"])

    @pytest.mark.parametrize("url", ["http://10.0.0.1/v1", "ftp://x.example", "http://[", "no"])
    async def test_addresses_that_may_not_be_reached_are_a_failure(
        self, client: httpx.AsyncClient, url: str
    ) -> None:
        with pytest.raises(RerankFailed, match="reached"):
            await HttpReranker(client).scores(url, None, "m", "q", ["one"])


@dataclass
class Scoring(Reranker):
    """Answers with these scores, or fails."""

    given: Mapping[int, float] | None
    documents: Sequence[str] = ()

    @override
    async def scores(
        self, base_url: str, key: str | None, model: str, query: str, documents: Sequence[str]
    ) -> Mapping[int, float]:
        assert (base_url, key) == (CREDENTIALS["rerank_api_base"], KEY)
        self.documents = documents
        if self.given is None:
            raise RerankFailed("it answers 500")
        return self.given


def passages(count: int) -> list[Found]:
    return [found(f"text {n}", f"p{n}") for n in range(count)]


async def ranked(
    reranker: Scoring,
    count: int = 3,
    model: str | None = "rerank-1",
    credentials: Mapping[str, str] | None = None,
) -> Retrieval:
    async def secret(_tenant_id: str, ref: str) -> bytes | None:
        return orjson.dumps(CREDENTIALS if credentials is None else credentials)

    bot = BotSettings(name="Guide", rerank_model=model, credentials_ref="ref")
    retriever = RerankingRetriever(GivenChunks(passages(count)), reranker, OneBot(bot), secret)
    return await retriever.retrieve("t1", "b1", Query("Why?"))


def ids(retrieval: Retrieval) -> list[str]:
    return [one.hit.id for one in retrieval.found]


class TestTheOrder:
    async def test_is_that_of_the_scores_and_what_has_none_comes_after(self) -> None:
        retrieval = await ranked(Scoring({2: 0.9, 1: 0.1}))
        assert (ids(retrieval), retrieval.reranking) == (["p2", "p1", "p0"], "done")
        assert [one.reranked for one in retrieval.found] == [0.9, 0.1, None]

    async def test_below_what_is_sent_stays_as_it_was(self) -> None:
        reranker = Scoring({0: 0.1, PASSAGES - 1: 0.9})
        retrieval = await ranked(reranker, PASSAGES + 2)
        assert len(reranker.documents) == PASSAGES
        assert ids(retrieval)[:2] == [f"p{PASSAGES - 1}", "p0"]
        assert ids(retrieval)[-2:] == [f"p{PASSAGES}", f"p{PASSAGES + 1}"]

    async def test_stays_as_it_was_found_if_the_reranker_fails(self) -> None:
        retrieval = await ranked(Scoring(None))
        assert (ids(retrieval), retrieval.reranking) == (["p0", "p1", "p2"], "failed")

    async def test_stays_as_it_was_found_without_an_address(self) -> None:
        retrieval = await ranked(Scoring({0: 1.0}), credentials={"api_key": "x"})
        assert (ids(retrieval), retrieval.reranking) == (["p0", "p1", "p2"], "failed")

    async def test_is_nobody_elses_where_the_bot_names_none_or_nothing_was_found(self) -> None:
        assert (await ranked(Scoring(None), model=None)).reranking == "off"
        assert (await ranked(Scoring(None), count=0)).reranking == "off"
