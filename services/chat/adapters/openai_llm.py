"""Any OpenAI-compatible server, directly: a tenth of the CPU of a general client per token."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import httpx
import orjson
from httpx_sse import EventSource, SSEError
from typing_extensions import override

from services.chat.adapters.patience import (
    FIRST_TOKEN_SECONDS,
    IDLE_SECONDS,
    RETRY_SECONDS,
    patiently,
    timed_out,
)
from services.chat.adapters.provider_errors import (
    FAILED,
    broken,
    filtered,
    refused,
    told_in,
    unreachable,
    unusable,
)
from services.chat.domain.tokens import estimated
from services.chat.ports import LanguageModel, ModelFailed, Prompt, Spent, Text
from shared.adapters.egress import Blocked, Oversized

ERROR_BYTES = 20_000
HEADERS = {"Accept": "text/event-stream", "Content-Type": "application/json"}
TAIL_SECONDS = 0.1
"""How long the end of an answer's body is waited for behind the end of the answer."""


class OpenAiModel(LanguageModel):
    """Chat completions over server-sent events."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        base_url: str,
        api_key: str | None,
        *,
        first_token_seconds: float = FIRST_TOKEN_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._client = client
        self._first_token_seconds = first_token_seconds
        self._idle_seconds = idle_seconds
        self._retry_seconds = retry_seconds
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    @override
    def name(self, prompt: Prompt) -> str:
        return prompt.model

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        pieces = patiently(lambda: self.once(prompt), self._retry_seconds)
        async with aclosing(pieces) as told:
            async for piece in told:
                yield piece

    async def once(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        """As `stream`, and never asked again."""
        body = {
            "model": prompt.model.removeprefix("openai/"),
            "messages": [{"role": turn.role, "content": turn.content} for turn in prompt.messages],
            "temperature": prompt.temperature,
            "max_tokens": prompt.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            request = self._client.build_request(
                "POST",
                self._url,
                content=orjson.dumps(body),
                headers={**self._headers, **HEADERS},
                timeout=httpx.Timeout(
                    self._idle_seconds, connect=5, read=self._first_token_seconds
                ),
            )
            response = await self._client.send(request, stream=True)
            try:
                if response.status_code >= 400:  # noqa: PLR2004  HTTP errors
                    told = told_in(await _beginning(response))
                    raise refused(response.status_code, response.headers, told)
                async with aclosing(self._pieces(response, prompt)) as pieces:
                    async for piece in pieces:
                        yield piece
            finally:
                await response.aclose()
        except httpx.TimeoutException as error:
            raise timed_out() from error
        except (httpx.HTTPError, SSEError) as error:
            raise unreachable() from error
        except (Blocked, httpx.InvalidURL, UnicodeError) as error:
            raise unusable() from error
        except Oversized as error:
            raise ModelFailed("llm_failed", FAILED, retryable=False) from error

    async def _pieces(
        self, response: httpx.Response, prompt: Prompt
    ) -> AsyncGenerator[Text | Spent, None]:
        usage: Mapping[str, Any] | None = None
        said = 0
        ended = False
        events = EventSource(response).aiter_sse()
        async for event in events:
            if event.data == "[DONE]":
                ended = True
                break
            try:
                chunk = orjson.loads(event.data)
                error = chunk.get("error")
                counted = chunk.get("usage")
                usage = counted if isinstance(counted, dict) else usage
                choices = chunk.get("choices") or [{}]
                piece = (choices[0].get("delta") or {}).get("content")
                finish = choices[0].get("finish_reason")
                ended = ended or bool(finish)
            except (ValueError, AttributeError, TypeError, IndexError, KeyError):
                continue  # a piece that nobody can read is not worth the whole answer
            if error:
                raise broken(error if isinstance(error, dict) else {"message": error})
            if finish == "content_filter":
                raise filtered()
            if piece and isinstance(piece, str):
                said += len(piece)
                yield Text(piece)
        if not ended:
            raise unreachable()
        yield spent(prompt, usage, said)
        await _read_out(events)


def spent(prompt: Prompt, usage: Mapping[str, Any] | None, said: int) -> Spent:
    """Usage as the server counted it, or estimated from characters if it did not."""
    if usage and isinstance(usage.get("prompt_tokens"), int):
        completion = usage.get("completion_tokens")
        return Spent(
            prompt.model,
            usage["prompt_tokens"],
            completion if isinstance(completion, int) else 0,
        )
    read = sum(len(turn.content) for turn in prompt.messages)
    return Spent(prompt.model, estimated(read), estimated(said))


async def _read_out(events: AsyncIterator[object]) -> None:
    """Read a body to its end, which has mostly come with the last event.

    Only a connection whose answer was read whole is used for another one, which then need not wait
    for a name to be looked up and for TLS.
    """
    with suppress(TimeoutError, httpx.HTTPError, SSEError, Oversized):
        async with asyncio.timeout(TAIL_SECONDS):
            async for _ in events:
                pass


async def _beginning(response: httpx.Response) -> bytes:
    """As much of an error's body as a reason needs; empty if it cannot be read."""
    body = b""
    try:
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) >= ERROR_BYTES:
                break
    except (httpx.HTTPError, Oversized):
        return b""
    return body
