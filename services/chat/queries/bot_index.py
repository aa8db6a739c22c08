"""Questions about the index of a bot."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from services.chat.domain.bots import Bot, changed, check_embedder
from services.chat.ports import BotReader
from services.chat.queries.index import IndexQueries
from shared.contracts.base import Metadata
from shared.contracts.chat import BotSettings
from shared.contracts.chat_index import BotIndexView, GetBotIndex, IndexSettings, PrepareReindex
from shared.kernel.errors import NotFound

Current = Callable[[str, str, str], Awaitable[Any]]
Wanted = Callable[[str, BotSettings], Awaitable[IndexSettings]]
"""What a tenant's bot asks for."""


class BotIndexQueries:
    """Compares what answers with what the bot's settings ask for, or would ask for."""

    def __init__(
        self,
        bots: BotReader,
        rows: IndexQueries,
        current: Current,
        wanted: Wanted,
        missing: Collection[str],
    ) -> None:
        """Without the embedding models of the product's own that are `missing` here."""
        self._bots = bots
        self._rows = rows
        self._current = current
        self._wanted = wanted
        self._missing = missing

    async def get_bot_index(self, question: GetBotIndex, meta: Metadata) -> BotIndexView:
        """Raise `NotFound`."""
        bot = await self._bots.settings(meta.tenant_id, question.bot_profile_id)
        view = await self._rows.bot_index(meta.tenant_id, question.bot_profile_id)
        coming = view.settings if view.building is None else view.building.settings
        if await self._wanted(meta.tenant_id, bot) != coming:
            return view.model_copy(update={"state": "queued"})
        return view

    async def prepare_reindex(self, question: PrepareReindex, meta: Metadata) -> IndexSettings:
        """By the bot as the log has it. Raise `NotFound`, or `InvalidCommand` as the change itself
        does; that the bot's gate is in its way is no objection to a plan.
        """
        check_embedder(question.changes.get("embedding_model"), self._missing)
        bot = await self._current("bot_profile", meta.tenant_id, question.bot_profile_id)
        if not isinstance(bot, Bot):
            raise NotFound("Bot profile not found")
        return await self._wanted(meta.tenant_id, changed(bot.settings, question.changes))
