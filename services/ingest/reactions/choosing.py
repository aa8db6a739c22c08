"""How the sources of a bot are cut and embedded: what its owner set, else what the operator did."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson

from services.ingest.ports import BotIndexed, BotIndexes, Chosen, Embedders
from shared.contracts.chat_index import IndexSettings

Secret = Callable[[str, str], Awaitable[bytes | None]]


@dataclass(frozen=True)
class ChooseSettings:
    """Settings of a bot's index with everything that is needed to follow them."""

    bots: BotIndexes
    embedders: Embedders
    secret: Secret
    max_chars: int
    overlap: int

    async def __call__(self, tenant_id: str, bot_profile_id: str) -> Chosen:
        """Of the generation that answers. Raise `EmbeddingRefused`."""
        bot = await self.bots.bot(tenant_id, bot_profile_id)
        return await self._chosen(tenant_id, bot, bot.generation, bot.settings)

    async def of(self, tenant_id: str, bot_profile_id: str, generation: int) -> Chosen | None:
        """Of this generation; None if it is superseded. Raise `EmbeddingRefused`."""
        bot = await self.bots.bot(tenant_id, bot_profile_id)
        settings = bot.settings_of(generation)
        if settings is None:
            return None
        return await self._chosen(tenant_id, bot, generation, settings)

    async def by(self, tenant_id: str, bot_profile_id: str, settings: IndexSettings) -> Chosen:
        """By these settings, whatever the bot's own are. Raise `EmbeddingRefused`."""
        bot = await self.bots.bot(tenant_id, bot_profile_id)
        return await self._chosen(tenant_id, bot, bot.generation, settings)

    def sizes(self, settings: IndexSettings) -> tuple[int, int]:
        """Characters of a chunk at most, and how many of them neighbours share at most."""
        size = settings.chunk_size or self.max_chars
        overlap = self.overlap if settings.chunk_overlap is None else settings.chunk_overlap
        return size, min(overlap, size - 1)

    async def _chosen(
        self, tenant_id: str, bot: BotIndexed, generation: int, settings: IndexSettings
    ) -> Chosen:
        model = self.embedders.bundled
        credentials: Mapping[str, str] = {}
        if settings.embedder is not None:
            model, credentials = settings.embedder, await self._credentials(tenant_id, bot)
        embedder = self.embedders.named(model, credentials, bot.chat_model)
        size, overlap = self.sizes(settings)
        return Chosen(generation, embedder, size, overlap)

    async def _credentials(self, tenant_id: str, bot: BotIndexed) -> Mapping[str, str]:
        if bot.credentials_ref is None:
            return {}
        kept = await self.secret(tenant_id, bot.credentials_ref)
        found: dict[str, str] = {} if kept is None else orjson.loads(kept)
        return found
