"""Questions about the index of a bot."""

from collections.abc import Awaitable, Callable

from services.chat.ports import BotReader
from services.chat.queries.index import IndexQueries
from shared.contracts.base import Metadata
from shared.contracts.chat import BotSettings
from shared.contracts.chat_index import BotIndexView, GetBotIndex, IndexSettings

Wanted = Callable[[str, BotSettings], Awaitable[IndexSettings]]
"""What a tenant's bot asks for."""


class BotIndexQueries:
    """Compares what answers with what the bot's settings ask for."""

    def __init__(self, bots: BotReader, rows: IndexQueries, wanted: Wanted) -> None:
        self._bots = bots
        self._rows = rows
        self._wanted = wanted

    async def get_bot_index(self, question: GetBotIndex, meta: Metadata) -> BotIndexView:
        """Raise `NotFound`."""
        bot = await self._bots.settings(meta.tenant_id, question.bot_profile_id)
        view = await self._rows.bot_index(meta.tenant_id, question.bot_profile_id)
        coming = view.settings if view.building is None else view.building.settings
        if await self._wanted(meta.tenant_id, bot) != coming:
            return view.model_copy(update={"state": "queued"})
        return view
