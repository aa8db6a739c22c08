"""Embeds questions with the model that a bot's index was made by."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson
from typing_extensions import override

from services.chat.ports import BotReader, QueryEmbedder
from shared.adapters import static_embedder
from shared.adapters.embedding import EmbeddingModels, LocalModel, Unreachable
from shared.kernel.errors import Unavailable
from shared.telemetry.embeddings import embedding

Secret = Callable[[str, str], Awaitable[bytes | None]]

AT_ONCE = 2
"""Questions that a slow model embeds side by side; each takes a core for some milliseconds."""

log = logging.getLogger(__name__)


class ThreadedModel(LocalModel):
    """A model that runs here and takes too long for the event loop."""

    def __init__(self, embed: Callable[[Sequence[str]], list[bytes]]) -> None:
        self._embed = embed
        self._free = asyncio.Semaphore(AT_ONCE)

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        async with self._free:
            return await asyncio.to_thread(self._embed, texts)


class BotEmbedder(QueryEmbedder):
    """The bundled model at once; any other with the bot's own credentials."""

    def __init__(self, models: EmbeddingModels, bots: BotReader, secret: Secret) -> None:
        self._models = models
        self._bots = bots
        self._secret = secret

    @override
    async def embed(
        self, tenant_id: str, bot_profile_id: str, model: str, texts: Sequence[str]
    ) -> list[bytes] | None:
        if model == static_embedder.MODEL:
            with embedding(model, len(texts)):
                return static_embedder.embed(texts)
        bot = await self._bots.settings(tenant_id, bot_profile_id)
        credentials: Mapping[str, str] = {}
        if bot.credentials_ref is not None:
            kept = await self._secret(tenant_id, bot.credentials_ref)
            credentials = {} if kept is None else orjson.loads(kept)
        try:
            return await self._models.embed(model, texts, credentials, bot.model)
        except (Unreachable, Unavailable) as failure:
            log.warning(
                "a question is looked up by its words only",
                extra={"model": model, "error": str(failure)},
            )
            return None
