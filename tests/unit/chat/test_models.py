"""Which adapter answers for a bot."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from typing_extensions import override

from services.chat.adapters.extractive import NAME, ExtractiveModel
from services.chat.adapters.litellm_llm import LiteLlmModel
from services.chat.adapters.models import CIRCUITS, OPENAI, PROVIDER_KEYS, LanguageModels
from services.chat.adapters.openai_llm import OpenAiModel
from services.chat.domain.circuit import FAILURES
from services.chat.ports import LanguageModel, ModelFailed, Prompt, Spent, Text
from tests.unit.chat.fakes import Piece, ScriptedModel
from tests.unit.chat.samples import passage

GUARDED = httpx.AsyncClient()
TRUSTED = httpx.AsyncClient()


def models(
    *, key: str | None = None, base: str | None = None, others: Mapping[str, str] | None = None
) -> LanguageModels:
    return LanguageModels(GUARDED, TRUSTED, key, base, others or {})


def prompt(model: str, **credentials: str) -> Prompt:
    return Prompt(
        model=model,
        messages=[],
        question="How long is the guarantee?",
        passages=[passage("The guarantee lasts seven years on every frame.")],
        temperature=0,
        max_tokens=10,
        credentials=credentials,
    )


def told(model: LanguageModel) -> Any:
    """What an adapter was given: its client, address and key."""
    if not isinstance(model, OpenAiModel):
        return type(model)
    return model._client, model._url, model._headers.get("Authorization")


OPENAI_URL = f"{OPENAI}/chat/completions"


@pytest.mark.parametrize(
    ("of", "asked", "adapter"),
    [
        (models(), prompt("gpt-4o-mini"), ExtractiveModel),
        (models(), prompt("claude-3"), ExtractiveModel),
        (models(), prompt("anything"), ExtractiveModel),
        (models(key="k", base="http://b"), prompt("local/extractive"), ExtractiveModel),
        (models(), prompt("gpt-4o", api_key="own"), (GUARDED, OPENAI_URL, "Bearer own")),
        (models(key="op"), prompt("gpt-4o"), (TRUSTED, OPENAI_URL, "Bearer op")),
        (
            models(key="op", base="http://b/v1"),
            prompt("gpt-4o"),
            (TRUSTED, "http://b/v1/chat/completions", "Bearer op"),
        ),
        (
            models(base="http://b/v1"),
            prompt("o3-mini"),
            (TRUSTED, "http://b/v1/chat/completions", None),
        ),
        (
            models(base="http://b/v1"),
            prompt("qwen3"),
            (TRUSTED, "http://b/v1/chat/completions", None),
        ),
        (models(key="op"), prompt("qwen3"), ExtractiveModel),
        (models(key="op"), prompt("anthropic/claude", api_key="own"), LiteLlmModel),
        (models(others={"ANTHROPIC_API_KEY": "a"}), prompt("claude-3"), LiteLlmModel),
        (models(others={"ANTHROPIC_API_KEY": "a"}), prompt("gemini/pro"), ExtractiveModel),
    ],
)
def test_the_adapter_follows_from_name_credentials_and_the_operators_keys(
    of: LanguageModels, asked: Prompt, adapter: Any
) -> None:
    assert told(of._adapter(asked)) == adapter


def test_an_address_of_a_tenants_is_asked_through_the_guard_and_never_with_our_key() -> None:
    asked = prompt("gpt-4o", api_base="http://theirs/v1")
    expected = (GUARDED, "http://theirs/v1/chat/completions", None)
    assert told(models(key="op", base="http://ours")._adapter(asked)) == expected


def test_the_operators_key_of_a_provider_goes_along_unless_the_bot_has_its_own() -> None:
    ours = models(others={"GEMINI_API_KEY": "ours"})
    assert ours._with_key(prompt("gemini/pro")).credentials == {"api_key": "ours"}
    assert ours._with_key(prompt("gemini/pro", api_key="own")).credentials == {"api_key": "own"}
    assert ours._with_key(prompt("gpt-4o")).credentials == {}


async def test_without_a_key_the_answer_says_who_gave_it() -> None:
    async with aclosing(models().stream(prompt("gpt-4o-mini"))) as pieces:
        said = [piece async for piece in pieces]
    assert isinstance(said[-1], Spent)
    assert said[-1].model == NAME


@dataclass(frozen=True)
class Scripted(LanguageModels):
    """Routes as the real one does; each model then says, or fails with, what is written here."""

    said: dict[str, ScriptedModel] = field(default_factory=dict)

    @override
    def _adapter(self, prompt: Prompt) -> LanguageModel:
        real = super()._adapter(prompt)
        return real if isinstance(real, ExtractiveModel) else self.said[prompt.model]


BROKEN = ModelFailed("llm_failed", "x", retryable=True)
BAD_KEY = ModelFailed("llm_auth", "x", retryable=False)


def scripted(**said: list[Piece]) -> Scripted:
    named = {name.replace("_", "-"): ScriptedModel([pieces]) for name, pieces in said.items()}
    return Scripted(GUARDED, TRUSTED, "op", None, {"ANTHROPIC_API_KEY": "a"}, said=named)


async def heard(model: LanguageModel, prompt: Prompt) -> list[Text | Spent]:
    async with aclosing(model.stream(prompt)) as pieces:
        return [piece async for piece in pieces]


FINE: list[Piece] = ["Yes.", Spent("x", 1, 1)]


class TestFallbacks:
    @pytest.mark.parametrize("failure", [BROKEN, BAD_KEY])
    async def test_are_asked_when_the_model_fails_before_its_first_word(
        self, failure: ModelFailed
    ) -> None:
        it = scripted(gpt_a=[failure], claude_b=[failure], gpt_c=FINE)
        asked = replace(prompt("gpt-a"), fallbacks=("claude-b", "gpt-c"))
        assert (await heard(it, asked))[0] == Text("Yes.")
        assert [len(one.prompts) for one in it.said.values()] == [1, 1, 1]

    async def test_are_not_asked_once_something_was_said(self) -> None:
        it = scripted(gpt_a=["Y", BROKEN], gpt_c=FINE)
        with pytest.raises(ModelFailed):
            await heard(it, replace(prompt("gpt-a"), fallbacks=("gpt-c",)))
        assert it.said["gpt-c"].prompts == []

    async def test_all_fail_with_the_last_ones_failure(self) -> None:
        it = scripted(gpt_a=[BROKEN], gpt_c=[BAD_KEY])
        with pytest.raises(ModelFailed) as raised:
            await heard(it, replace(prompt("gpt-a"), fallbacks=("gpt-c",)))
        assert raised.value is BAD_KEY

    async def test_of_another_provider_never_get_the_bots_own_key(self) -> None:
        it = scripted(gpt_a=[BROKEN], gpt_b=[BROKEN], claude_c=FINE)
        asked = replace(prompt("gpt-a", api_key="own"), fallbacks=("gpt-b", "claude-c"))
        await heard(it, asked)
        keys = [one.prompts[0].credentials for one in it.said.values()]
        assert keys == [{"api_key": "own"}, {"api_key": "own"}, {"api_key": "a"}]

    async def test_without_a_usable_key_are_passed_over_but_quoting_needs_none(self) -> None:
        it = scripted(gpt_a=[BROKEN])
        asked = replace(prompt("gpt-a"), fallbacks=("gemini/x", NAME))
        last = (await heard(it, asked))[-1]
        assert isinstance(last, Spent)
        assert last.model == NAME


class TestAModelThatKeepsFailing:
    async def fail(self, it: LanguageModel, asked: Prompt) -> ModelFailed:
        with pytest.raises(ModelFailed) as raised:
            await heard(it, asked)
        return raised.value

    async def test_is_not_asked_for_a_while_with_that_key(self) -> None:
        it = scripted(gpt_a=[BROKEN])
        codes = [(await self.fail(it, prompt("gpt-a"))).code for _ in range(FAILURES + 1)]
        assert codes == ["llm_failed"] * FAILURES + ["llm_unavailable"]
        assert (await self.fail(it, prompt("gpt-a", api_key="other"))).code == "llm_failed"

    async def test_for_a_bad_key_is_asked_all_the_same(self) -> None:
        it = scripted(gpt_a=[BAD_KEY])
        codes = {(await self.fail(it, prompt("gpt-a"))).code for _ in range(FAILURES + 2)}
        assert codes == {"llm_auth"}

    async def test_is_remembered_for_so_many_keys_only(self) -> None:
        it = scripted(gpt_a=FINE)
        for n in range(CIRCUITS + 5):
            it._circuit(prompt("gpt-a", api_key=str(n)))
        assert len(it._circuits) == CIRCUITS


@pytest.mark.parametrize("name", sorted(PROVIDER_KEYS))
def test_every_provider_of_the_operators_is_asked_with_its_key(name: str) -> None:
    of = models(others={PROVIDER_KEYS[name]: "ours"})
    asked = prompt(f"{name}x")
    assert told(of._adapter(asked)) == LiteLlmModel
    assert of._with_key(asked).credentials == {"api_key": "ours"}
