"""Which adapter answers for a bot: by its model's name, its credentials, the operator's keys."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

import httpx
from typing_extensions import override

from services.chat.adapters import extractive
from services.chat.adapters.extractive import ExtractiveModel
from services.chat.adapters.litellm_llm import LiteLlmModel
from services.chat.adapters.openai_llm import OpenAiModel
from services.chat.ports import LanguageModel, Prompt, Spent, Text

OPENAI = "https://api.openai.com/v1"
OPENAI_NAMES = ("gpt-", "chatgpt-", "o1", "o3", "o4", "openai/")
PROVIDER_KEYS = {
    "anthropic/": "ANTHROPIC_API_KEY",
    "claude": "ANTHROPIC_API_KEY",
    "gemini/": "GEMINI_API_KEY",
    "mistral/": "MISTRAL_API_KEY",
    "groq/": "GROQ_API_KEY",
    "cohere/": "COHERE_API_KEY",
    "deepseek/": "DEEPSEEK_API_KEY",
    "openrouter/": "OPENROUTER_API_KEY",
}
"""Names of LiteLLM's models, and the operator's variable that holds their provider's key."""


@dataclass(frozen=True)
class LanguageModels(LanguageModel):
    """Routes each prompt to the adapter that can answer it.

    A bot without a usable key is answered by `local/extractive`, and its usage says so.
    """

    guarded: httpx.AsyncClient
    """For addresses that tenants give: public ones only."""
    trusted: httpx.AsyncClient
    """For the operator's own address."""
    openai_key: str | None
    openai_base: str | None
    provider_keys: Mapping[str, str]
    """The operator's keys of other providers, by variable name."""

    @override
    def name(self, prompt: Prompt) -> str:
        return self._adapter(prompt).name(prompt)

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        async with aclosing(self._adapter(prompt).stream(self._with_key(prompt))) as pieces:
            async for piece in pieces:
                yield piece

    def generates(self, prompt: Prompt) -> bool:
        """Whether a model would write for this prompt, rather than quote."""
        return not isinstance(self._adapter(prompt), ExtractiveModel)

    def _adapter(self, prompt: Prompt) -> LanguageModel:
        key, base = prompt.credentials.get("api_key"), prompt.credentials.get("api_base")
        if prompt.model == extractive.NAME:
            return ExtractiveModel()
        if base:
            return OpenAiModel(self.guarded, base, key)
        if prompt.model.startswith(OPENAI_NAMES):
            if key:
                return OpenAiModel(self.guarded, OPENAI, key)
            if self.openai_key or self.openai_base:
                return OpenAiModel(self.trusted, self.openai_base or OPENAI, self.openai_key)
        elif key or self._provider_key(prompt.model):
            return LiteLlmModel()
        elif self.openai_base:
            return OpenAiModel(self.trusted, self.openai_base, self.openai_key)
        return ExtractiveModel()

    def _with_key(self, prompt: Prompt) -> Prompt:
        if "api_key" in prompt.credentials:
            return prompt
        key = self._provider_key(prompt.model)
        return prompt if key is None else replace(prompt, credentials={"api_key": key})

    def _provider_key(self, model: str) -> str | None:
        for prefix, variable in PROVIDER_KEYS.items():
            if model.startswith(prefix):
                return self.provider_keys.get(variable)
        return None
