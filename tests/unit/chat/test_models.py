"""Which adapter answers for a bot."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from services.chat.adapters.extractive import NAME, ExtractiveModel
from services.chat.adapters.litellm_llm import LiteLlmModel
from services.chat.adapters.models import OPENAI, LanguageModels
from services.chat.adapters.openai_llm import OpenAiModel
from services.chat.ports import LanguageModel, Prompt, Spent
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
