"""Which adapter answers for a bot: by its model's name, its credentials, the operator's keys."""

import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import httpx
from typing_extensions import override

from services.chat.adapters import extractive
from services.chat.adapters.calls import ModelCall
from services.chat.adapters.extractive import ExtractiveModel
from services.chat.adapters.litellm_llm import LiteLlmModel
from services.chat.adapters.openai_llm import OpenAiModel
from services.chat.domain.circuit import Circuit
from services.chat.ports import LanguageModel, ModelFailed, ModelTrial, Prompt, Spent, Text

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
BREAKING = ("llm_failed", "llm_timeout")
"""Failures that tell of a provider that does not work, and not of a key or a limit."""
CIRCUITS = 1000
"""That are remembered; the oldest are forgotten."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LanguageModels(LanguageModel, ModelTrial):
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
    _circuits: dict[bytes, Circuit] = field(default_factory=dict, repr=False)

    @override
    def name(self, prompt: Prompt) -> str:
        return self._adapter(prompt).name(prompt)

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        """From the prompt's model; if it fails before its first piece, from a fallback."""
        chain = [prompt, *self._fallbacks(prompt)]
        for one in chain:
            started = False
            try:
                async with aclosing(self._guarded(one)) as pieces:
                    async for piece in pieces:
                        started = True
                        yield piece
            except ModelFailed as failure:
                if started or one is chain[-1]:
                    raise
                log.warning(
                    "a fallback model is asked", extra={"failed": one.model, "code": failure.code}
                )
            else:
                return

    @override
    async def once(self, prompt: Prompt) -> None:
        """Past pauses and fallbacks: whoever tries a key wants to know about that key now."""
        adapter = self._adapter(prompt)
        if not isinstance(adapter, OpenAiModel | LiteLlmModel):
            if prompt.model == extractive.NAME:
                return
            raise ModelFailed("llm_no_key", "There is no key for this model.", retryable=False)
        with ModelCall(adapter.name(prompt), prompt) as call:
            async with aclosing(adapter.once(self._with_key(prompt))) as pieces:
                async for piece in pieces:
                    call.heard(piece)

    def generates(self, prompt: Prompt) -> bool:
        """Whether a model would write for this prompt, rather than quote."""
        return not isinstance(self._adapter(prompt), ExtractiveModel)

    async def _guarded(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        """Raise `ModelFailed` at once while the provider keeps failing."""
        circuit = self._circuit(prompt)
        if (pause := circuit.wait(time.monotonic())) > 0:
            raise ModelFailed(
                "llm_unavailable",
                "The language model does not answer at the moment.",
                retryable=True,
                status=503,
                retry_after=pause,
            )
        try:
            adapter = self._adapter(prompt)
            with ModelCall(adapter.name(prompt), prompt) as call:
                async with aclosing(adapter.stream(self._with_key(prompt))) as pieces:
                    async for piece in pieces:
                        circuit.answered()
                        call.heard(piece)
                        yield piece
        except ModelFailed as failure:
            if failure.code in BREAKING and failure.retryable:
                circuit.failed(time.monotonic())
            raise

    def _circuit(self, prompt: Prompt) -> Circuit:
        """Of a model, its address and the key: another tenant's key may well work."""
        with_ = self._with_key(prompt).credentials
        told = (prompt.model, with_.get("api_base", ""), with_.get("api_key", ""))
        name = hashlib.sha256("\0".join(told).encode()).digest()
        while name not in self._circuits and len(self._circuits) >= CIRCUITS:
            del self._circuits[next(iter(self._circuits))]
        return self._circuits.setdefault(name, Circuit())

    def _fallbacks(self, prompt: Prompt) -> list[Prompt]:
        """Prompts for the other models that have a usable key. The bot's own credentials are for
        its model's provider and go to no other.
        """
        found = []
        for model in prompt.fallbacks:
            ours = "api_base" in prompt.credentials or _provider(model) == _provider(prompt.model)
            credentials = prompt.credentials if ours else {}
            one = replace(prompt, model=model, credentials=credentials, fallbacks=())
            if model == extractive.NAME or self.generates(one):
                found.append(one)
        return found

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


def _provider(model: str) -> str:
    """Whose model it is, by its name."""
    if model.startswith(OPENAI_NAMES):
        return "openai"
    for prefix, variable in PROVIDER_KEYS.items():
        if model.startswith(prefix):
            return variable
    return model.split("/", maxsplit=1)[0]
