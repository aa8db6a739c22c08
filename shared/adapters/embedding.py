"""Embedding models beside the bundled one: which of them a bot can reach, and how they are asked.

An OpenAI-compatible server is asked directly; every other provider through LiteLLM, which is
imported when it is first needed. Keys are the bot's own, or the operator's of OpenAI.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import httpx
import numpy as np

from shared.adapters import static_embedder
from shared.adapters.egress import Blocked, Oversized
from shared.adapters.retry_after import retry_after_seconds
from shared.kernel.errors import Throttled, Unavailable
from shared.telemetry.embeddings import embedding

OPENAI = "https://api.openai.com/v1"
OPENAI_NAMES = ("text-embedding-", "openai/")
OPENAI_CHATS = ("gpt-", "chatgpt-", "o1", "o3", "o4", "openai/")
"""Names of chat models whose key is OpenAI's."""
BATCH = 128
"""Texts of one request, as many as are kept in one blob: none is asked for twice after a crash."""
SECONDS = 60.0
TOO_MANY = 429
PASSING = frozenset({408, 409, 425, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""


class Unreachable(Exception):
    """The model cannot be asked as it is set up. The text is for people, without a key."""


class LocalModel(Protocol):
    """A model that runs here."""

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One unit vector per text, as little-endian float32 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """An OpenAI-compatible server, and how it is reached."""

    client: httpx.AsyncClient
    base_url: str
    key: str | None


@dataclass(frozen=True)
class EmbeddingModels:
    """All embedding models that may be used; the bundled one is known by name only."""

    guarded: httpx.AsyncClient
    """For addresses that tenants give: public ones only, and no redirects."""
    trusted: httpx.AsyncClient
    """For the operator's own address."""
    openai_key: str | None = None
    openai_base: str | None = None
    local: Mapping[str, LocalModel] | None = None
    """Further models that run here, by name."""

    def effective(self, name: str | None, credentials: Mapping[str, str], chat_model: str) -> str:
        """The model that is used for a bot that names this one.

        The bundled one where the bot names none, or one that it has no way to reach: as a bot
        without a key is answered by the extractive model.
        """
        if name is None or name == static_embedder.MODEL:
            return static_embedder.MODEL
        if self._local(name) is not None or self._server(name, credentials, chat_model):
            return name
        return name if _litellm_key(name, credentials, chat_model) else static_embedder.MODEL

    async def embed(
        self, model: str, texts: Sequence[str], credentials: Mapping[str, str], chat_model: str
    ) -> list[bytes]:
        """One unit vector per text, as little-endian float32 bytes, all of one length.

        Raise `Unreachable`, `Throttled`, or `Unavailable` if another attempt may help.
        """
        vectors: list[bytes] = []
        with embedding(model, len(texts)):
            for first in range(0, len(texts), BATCH):
                part = texts[first : first + BATCH]
                vectors += await self._batch(model, part, credentials, chat_model)
        if len({len(vector) for vector in vectors}) > 1:
            raise Unreachable(f"The embedding model {model} gives vectors of different lengths")
        return vectors

    async def _batch(
        self, model: str, texts: Sequence[str], credentials: Mapping[str, str], chat_model: str
    ) -> list[bytes]:
        if (local := self._local(model)) is not None:
            return await local.embed(texts)
        server = self._server(model, credentials, chat_model)
        if server is not None:
            return await _ask(server, model, texts)
        key = _litellm_key(model, credentials, chat_model)
        if key is None:
            raise Unreachable(f"There is no key for the embedding model {model}")
        return await _ask_litellm(model, texts, key)

    def _local(self, name: str) -> LocalModel | None:
        return (self.local or {}).get(name)

    def _server(self, name: str, credentials: Mapping[str, str], chat_model: str) -> Server | None:
        """The server that has the model: the bot's own address before OpenAI's."""
        own_base = credentials.get("embedding_api_base")
        if own_base is not None:
            return Server(self.guarded, own_base, credentials.get("embedding_api_key"))
        if not name.startswith(OPENAI_NAMES):
            return None
        key = credentials.get("embedding_api_key")
        if key is None and chat_model.startswith(OPENAI_CHATS) and "api_base" not in credentials:
            key = credentials.get("api_key")
        if key is not None:
            return Server(self.guarded, OPENAI, key)
        if self.openai_key is not None or self.openai_base is not None:
            return Server(self.trusted, self.openai_base or OPENAI, self.openai_key)
        return None


def _litellm_key(name: str, credentials: Mapping[str, str], chat_model: str) -> str | None:
    """A bot's key is for its model's provider, unless it is given for embeddings."""
    provider, _, rest = name.partition("/")
    if not rest or provider in ("local", "openai"):
        return None
    key = credentials.get("embedding_api_key")
    if key is None and chat_model.partition("/")[0] == provider and "api_base" not in credentials:
        key = credentials.get("api_key")
    return key


async def _ask(server: Server, model: str, texts: Sequence[str]) -> list[bytes]:
    headers = {"Authorization": f"Bearer {server.key}"} if server.key else {}
    body = {"model": model.removeprefix("openai/"), "input": list(texts)}
    url = f"{server.base_url.rstrip('/')}/embeddings"
    try:
        async with asyncio.timeout(SECONDS):
            response = await server.client.post(url, json=body, headers=headers)
    except (httpx.TransportError, TimeoutError) as error:
        raise Unavailable("the embedding model does not answer") from error
    except (Blocked, Oversized, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise Unreachable("The address of the embedding model cannot be used") from error
    _check_status(response.status_code, response.headers.get("retry-after"), model)
    try:
        found = sorted(response.json()["data"], key=lambda one: int(one["index"]))
        vectors = [_unit(one["embedding"]) for one in found]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreachable(f"The server does not speak of embeddings for {model}") from error
    if len(vectors) != len(texts) or not all(vectors):
        raise Unreachable(f"The embedding model {model} gives no vector for some texts")
    return vectors


def _check_status(status: int, retry_after: str | None, model: str) -> None:
    if status == TOO_MANY:
        raise Throttled(
            "the embedding model asks for a pause", retry_after=retry_after_seconds(retry_after)
        )
    if status in PASSING:
        raise Unavailable(f"the embedding model answers {status}")
    if status in (401, 403):
        raise Unreachable(f"The key for the embedding model {model} is not accepted")
    if status >= 300:  # noqa: PLR2004  everything but success; redirects are not followed
        raise Unreachable(f"The embedding model {model} answers {status}")


def _unit(values: Any) -> bytes:
    """Raise `ValueError` or `TypeError` for what is no vector of numbers."""
    vector = np.asarray(values, dtype="<f4")
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise ValueError("not a vector")
    length = float(np.linalg.norm(vector))
    return (vector / length if length else vector).astype("<f4").tobytes()


async def _ask_litellm(model: str, texts: Sequence[str], key: str) -> list[bytes]:
    litellm = await asyncio.to_thread(_litellm)
    try:
        async with asyncio.timeout(SECONDS):
            answer = await litellm.aembedding(
                model=model, input=list(texts), api_key=key, max_retries=0, timeout=SECONDS
            )
        return [_unit(one["embedding"]) for one in answer.data]
    except litellm.exceptions.RateLimitError as error:
        raise Throttled("the embedding model asks for a pause") from error
    except (
        litellm.exceptions.AuthenticationError,
        litellm.exceptions.BadRequestError,
        litellm.exceptions.NotFoundError,
        litellm.exceptions.PermissionDeniedError,
    ) as error:
        raise Unreachable(f"The embedding model {model} refuses: check its name and key") from error
    except Exception as error:
        raise Unavailable("the embedding model does not answer") from error


@lru_cache(maxsize=1)
def _litellm() -> Any:
    # Read at import: without it the package fetches its price list from the web.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # noqa: TID251  LiteLLM reads no other way
    try:
        import litellm  # noqa: PLC0415  seconds and 200 MB for whoever needs another provider
    except ImportError as error:
        raise Unreachable("This installation lacks LiteLLM: install the extra embedders") from error
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm
