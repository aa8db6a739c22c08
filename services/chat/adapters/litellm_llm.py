"""Every other provider, through LiteLLM: imported in a thread when it is first needed."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Any

import httpx
from typing_extensions import override

from services.chat.adapters.openai_llm import spent
from services.chat.adapters.patience import (
    FIRST_TOKEN_SECONDS,
    IDLE_SECONDS,
    RETRY_SECONDS,
    in_time,
    patiently,
    timed_out,
)
from services.chat.adapters.provider_errors import filtered, refused, unreachable
from services.chat.ports import LanguageModel, ModelFailed, Prompt, Spent, Text


class LiteLlmModel(LanguageModel):
    """Chat completions by LiteLLM's model names, such as `anthropic/…` or `gemini/…`."""

    def __init__(
        self,
        *,
        first_token_seconds: float = FIRST_TOKEN_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._first_token_seconds = first_token_seconds
        self._idle_seconds = idle_seconds
        self._retry_seconds = retry_seconds

    @override
    def name(self, prompt: Prompt) -> str:
        return prompt.model

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        async with aclosing(patiently(lambda: self.once(prompt), self._retry_seconds)) as told:
            async for piece in told:
                yield piece

    async def once(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        """As `stream`, and never asked again."""
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
                timeout=self._first_token_seconds,
                max_retries=0,
                **prompt.credentials,
            )
            async with aclosing(self._chunks(chunks)) as pieces:
                async for chunk in pieces:
                    usage = getattr(chunk, "usage", None) or usage
                    piece = chunk.choices[0].delta.content if chunk.choices else None
                    if piece:
                        said += len(piece)
                        yield Text(piece)
        except Exception as error:
            raise _failure(litellm, error) from error
        yield spent(prompt, None if usage is None else usage.model_dump(), said)

    async def _chunks(self, chunks: Any) -> AsyncGenerator[Any, None]:
        """In time, up to an end that the provider has told."""
        timed = in_time(aiter(chunks), self._first_token_seconds, self._idle_seconds)
        async with aclosing(chunks), aclosing(timed) as pieces:
            async for chunk in pieces:
                if chunk.choices and chunk.choices[0].finish_reason == "content_filter":
                    raise filtered()
                yield chunk
        # What LiteLLM shows as the reason of a stream that broke off is its own invention.
        if not (chunks.received_finish_reason or chunks.intermittent_finish_reason):
            raise unreachable()


def _failure(litellm: Any, error: Exception) -> ModelFailed:
    """What LiteLLM raises stands for an HTTP error or a connection that failed, with the original
    behind it. Its texts stay in our log.
    """
    if isinstance(error, ModelFailed):
        return error
    behind = _behind(error)
    if any(isinstance(one, TimeoutError | litellm.Timeout) for one in behind):
        return timed_out()
    if any(isinstance(one, httpx.TransportError | OSError) for one in behind):
        return unreachable()
    status = _status(behind)
    if status is None:
        return unreachable()
    return refused(status, _headers(behind), f"{_code(litellm, error)} {_told(behind)}")


def _behind(error: BaseException) -> list[BaseException]:
    """The error and those it was raised from, outermost first."""
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None:
        if cause in found:
            break
        found.append(cause)
    return found


def _status(behind: Sequence[BaseException]) -> int | None:
    """The provider's, as far down as it is known: LiteLLM has but a few of its own."""
    known = (getattr(one, "status_code", None) for one in reversed(behind))
    return next((status for status in known if isinstance(status, int)), None)


def _code(litellm: Any, error: Exception) -> str:
    """What LiteLLM has recognised by itself, as a code of OpenAI's API."""
    if isinstance(error, litellm.ContextWindowExceededError):
        return "context_length_exceeded"
    if isinstance(error, litellm.ContentPolicyViolationError):
        return "content_filter"
    return ""


def _told(behind: Sequence[BaseException]) -> str:
    """The provider's own words; the code is not in every text."""
    return " ".join(f"{getattr(one, 'body', '')} {one}" for one in behind)


def _headers(behind: Sequence[BaseException]) -> Mapping[str, str]:
    """Of the provider's response. LiteLLM keeps them on one error or another."""
    for one in behind:
        response = getattr(one, "response", None)
        for headers in (getattr(response, "headers", None), getattr(one, "headers", None)):
            if headers:
                return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}


@lru_cache(maxsize=1)
def _litellm() -> Any:
    # Read at import: without it the package fetches its price list from the web.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # noqa: TID251  LiteLLM reads no other way
    import litellm  # noqa: PLC0415  seconds and 160 MB for whoever needs another provider

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm
