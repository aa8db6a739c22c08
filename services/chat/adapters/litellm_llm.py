"""Every other provider, through LiteLLM: imported in a thread when it is first needed."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache
from typing import Any

from typing_extensions import override

from services.chat.adapters.openai_llm import REASONS, refused, spent, unreachable
from services.chat.adapters.patience import FIRST_TOKEN_SECONDS, in_time, patiently, timed_out
from services.chat.ports import LanguageModel, ModelFailed, Prompt, Spent, Text

NO_QUOTA = re.compile("insufficient_quota|exceeded your current quota", re.IGNORECASE)
"""LiteLLM passes on a provider's words only; a repeat does not help here."""


class LiteLlmModel(LanguageModel):
    """Chat completions by LiteLLM's model names, such as `anthropic/…` or `gemini/…`."""

    @override
    def name(self, prompt: Prompt) -> str:
        return prompt.model

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        async with aclosing(patiently(lambda: self._once(prompt))) as told:
            async for piece in told:
                yield piece

    async def _once(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        litellm = await asyncio.to_thread(_litellm)
        usage: Any = None
        said = 0
        try:
            chunks = await litellm.acompletion(
                model=prompt.model,
                messages=[{"role": turn.role, "content": turn.content} for turn in prompt.messages],
                temperature=prompt.temperature,
                max_tokens=prompt.max_tokens,
                stream=True,
                stream_options={"include_usage": True},
                timeout=FIRST_TOKEN_SECONDS,
                max_retries=0,
                **prompt.credentials,
            )
            async with aclosing(in_time(aiter(chunks))) as pieces:
                async for chunk in pieces:
                    usage = getattr(chunk, "usage", None) or usage
                    piece = chunk.choices[0].delta.content if chunk.choices else None
                    if piece:
                        said += len(piece)
                        yield Text(piece)
        except Exception as error:
            raise _failure(litellm, error) from error
        yield spent(prompt, None if usage is None else usage.model_dump(), said)


def _failure(litellm: Any, error: Exception) -> ModelFailed:
    """LiteLLM's exceptions carry the provider's status; its texts stay in our log."""
    if isinstance(error, ModelFailed):
        return error
    if isinstance(error, TimeoutError | litellm.Timeout):
        return timed_out()
    if isinstance(error, litellm.ContextWindowExceededError):
        return ModelFailed(*REASONS["context_length_exceeded"], retryable=False)
    if isinstance(error, litellm.ContentPolicyViolationError):
        return ModelFailed(*REASONS["content_filter"], retryable=False)
    if NO_QUOTA.search(str(error)):
        return ModelFailed(*REASONS["insufficient_quota"], retryable=False)
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return unreachable()
    response = getattr(error, "response", None)
    return refused(status, getattr(response, "headers", None) or {})


@lru_cache(maxsize=1)
def _litellm() -> Any:
    # Read at import: without it the package fetches its price list from the web.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # noqa: TID251  LiteLLM reads no other way
    import litellm  # noqa: PLC0415  seconds and 160 MB for whoever needs another provider

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm
