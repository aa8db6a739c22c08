"""A model is asked for a word, with one set of credentials, and it is told how that went."""

import asyncio
import base64
from dataclasses import dataclass, field

import httpx
import orjson
import pytest
from typing_extensions import override

from services.chat.adapters.models import LanguageModels
from services.chat.domain.circuit import FAILURES
from services.chat.ports import ModelFailed, ModelTrial, Prompt
from services.chat.queries.providers import ProviderQueries
from shared.contracts.chat import BotSettings
from shared.contracts.chat_providers import ProviderTrial, TryProvider, trial_name
from tests.unit.chat.fakes import OneBot
from tests.unit.samples import TENANT, metadata

STORED = {
    "api_key": "stored",
    "api_base": "https://stored.example",
    "embedding_api_key": "e",
    "rerank_api_key": "r",
}
BOT = BotSettings(name="Guide", credentials_ref="credentials/1")


@dataclass
class Scripted(ModelTrial):
    failure: Exception | None = None
    prompts: list[Prompt] = field(default_factory=list)
    silent: bool = False

    @override
    async def once(self, prompt: Prompt) -> None:
        self.prompts.append(prompt)
        if self.silent:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure


async def tried(model: ModelTrial, **fields: str) -> ProviderTrial:
    async def secret(tenant_id: str, ref: str) -> bytes | None:
        return orjson.dumps(STORED) if (tenant_id, ref) == (TENANT, "credentials/1") else None

    def unseal(name: str, sealed: bytes) -> bytes:
        assert name == trial_name(TENANT)
        return sealed

    seconds = 0.01 if isinstance(model, Scripted) and model.silent else 20.0
    queries = ProviderQueries(OneBot(BOT), model, secret, unseal, seconds=seconds)
    return await queries.try_provider(TryProvider(model="gpt-4o", **fields), metadata())


def sealed(**credentials: str) -> str:
    return base64.b64encode(orjson.dumps(credentials)).decode()


class TestCredentials:
    async def test_of_the_bot_are_used_without_what_is_for_its_other_models(self) -> None:
        model = Scripted()
        await tried(model, bot_profile_id="b1")
        assert model.prompts[0].credentials == {
            "api_key": "stored",
            "api_base": "https://stored.example",
        }

    async def test_that_were_entered_never_meet_stored_ones(self) -> None:
        model = Scripted()
        entered = sealed(api_base="https://elsewhere.example")
        await tried(model, bot_profile_id="b1", sealed=entered)
        assert model.prompts[0].credentials == {"api_base": "https://elsewhere.example"}

    async def test_of_nobody_leave_the_operators(self) -> None:
        model = Scripted()
        await tried(model)
        assert model.prompts[0].credentials == {}


class TestTheOutcome:
    @pytest.mark.parametrize(
        ("failure", "outcome"),
        [
            (None, "works"),
            (ModelFailed("llm_auth", "x", retryable=False), "bad_key"),
            (ModelFailed("llm_quota", "x", retryable=False), "no_quota"),
            (ModelFailed("llm_rate_limited", "x", retryable=True), "rate_limited"),
            (ModelFailed("llm_misconfigured", "x", retryable=False), "misconfigured"),
            (ModelFailed("llm_failed", "x", retryable=True), "failed"),
            (ModelFailed("llm_failed", "x", retryable=True, reached=False), "unreachable"),
            (ModelFailed("llm_timeout", "x", retryable=True, reached=False), "unreachable"),
        ],
    )
    async def test_follows_from_what_the_provider_did(
        self, failure: Exception | None, outcome: str
    ) -> None:
        assert (await tried(Scripted(failure))).outcome == outcome

    async def test_of_a_provider_that_says_nothing_comes_all_the_same(self) -> None:
        assert (await tried(Scripted(silent=True))).outcome == "unreachable"


class TestTheModels:
    """The real ones, before a server that is written here."""

    def models(self, status: int) -> tuple[LanguageModels, list[httpx.Request]]:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            said = b'data: {"choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}]}'
            stream = {"Content-Type": "text/event-stream"}
            return httpx.Response(status, headers=stream, content=said + b"\n\ndata: [DONE]\n\n")

        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        return LanguageModels(client, client, None, None, {}), asked

    async def test_are_asked_once_however_often_they_failed_before(self) -> None:
        models, asked = self.models(503)
        for _ in range(FAILURES + 1):
            told = await tried(models, sealed=sealed(api_key="k"))
            assert (told.outcome, told.model) == ("failed", "gpt-4o")
        assert len(asked) == FAILURES + 1
        assert {request.headers["authorization"] for request in asked} == {"Bearer k"}

    async def test_say_that_a_key_is_missing_rather_than_quote(self) -> None:
        models, asked = self.models(200)
        assert (await tried(models)).outcome == "no_key"
        assert (await tried(models, sealed=sealed(api_key="k"))).outcome == "works"
        assert len(asked) == 1
