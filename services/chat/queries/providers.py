"""Whether a language model can be used: it is asked for a word."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping

import orjson

from services.chat.domain.prompt import Turn
from services.chat.ports import BotReader, ModelFailed, ModelTrial, Prompt, for_language_model
from shared.contracts.base import Metadata
from shared.contracts.chat_providers import Outcome, ProviderTrial, TryProvider, trial_name

SECONDS = 20.0
"""For the whole call; whoever asks waits a little longer."""
WORD = "Answer with the word yes."
TOKENS = 5
TEMPERATURE = 1.0
"""That of most providers, and the only one that some models take."""
OUTCOMES: Mapping[str, Outcome] = {
    "llm_no_key": "no_key",
    "llm_auth": "bad_key",
    "llm_quota": "no_quota",
    "llm_rate_limited": "rate_limited",
    "llm_misconfigured": "misconfigured",
}
"""By the codes of failures."""

Secret = Callable[[str, str], Awaitable[bytes | None]]
Unseal = Callable[[str, bytes], bytes]


class ProviderQueries:
    """Calls a model once, and tells how it went. Nothing of it is kept."""

    def __init__(
        self,
        bots: BotReader,
        model: ModelTrial,
        secret: Secret,
        unseal: Unseal,
        *,
        seconds: float = SECONDS,
    ) -> None:
        self._bots = bots
        self._model = model
        self._secret = secret
        self._unseal = unseal
        self._seconds = seconds

    async def try_provider(self, question: TryProvider, meta: Metadata) -> ProviderTrial:
        """Raise `NotFound` for a bot that is not there."""
        prompt = Prompt(
            model=question.model,
            messages=(Turn("user", WORD),),
            question=WORD,
            passages=(),
            temperature=TEMPERATURE,
            max_tokens=TOKENS,
            credentials=await self._credentials(question, meta.tenant_id),
        )
        started = time.perf_counter()
        outcome, detail = await self._outcome(prompt)
        latency = (time.perf_counter() - started) * 1000
        return ProviderTrial(
            outcome=outcome, detail=detail, model=question.model, latency_ms=latency
        )

    async def _outcome(self, prompt: Prompt) -> tuple[Outcome, str]:
        try:
            async with asyncio.timeout(self._seconds):
                await self._model.once(prompt)
        except ModelFailed as failure:
            if not failure.reached:
                return "unreachable", failure.detail
            return OUTCOMES.get(failure.code, "failed"), failure.detail
        except TimeoutError:
            return "unreachable", f"No answer came within {self._seconds:g} seconds."
        return "works", "The model has answered."

    async def _credentials(self, question: TryProvider, tenant_id: str) -> Mapping[str, str]:
        """Those that were entered, or the bot's: never some of each, or a stored key could be had
        by an address that was entered.
        """
        if question.sealed is not None:
            sealed = base64.b64decode(question.sealed)
            entered: dict[str, str] = orjson.loads(self._unseal(trial_name(tenant_id), sealed))
            return entered
        if question.bot_profile_id is None:
            return {}
        bot = await self._bots.settings(tenant_id, question.bot_profile_id)
        if bot.credentials_ref is None:
            return {}
        kept = await self._secret(tenant_id, bot.credentials_ref)
        return for_language_model({} if kept is None else orjson.loads(kept))
