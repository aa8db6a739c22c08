"""What a command of chat depends on outside its own aggregate."""

from collections.abc import Awaitable, Callable
from typing import Any

from services.chat.domain.bots import Bot
from shared.contracts.base import Metadata
from shared.contracts.chat import AskQuestion
from shared.kernel.errors import NotFound

Current = Callable[[str, str, str], Awaitable[Any]]


class CheckBot:
    """Refuses a question to a bot that is not there or switched off."""

    def __init__(self, current: Current) -> None:
        self._current = current

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `NotFound`, in the words of the contract."""
        if not isinstance(command, AskQuestion):
            return
        bot = await self._current("bot_profile", meta.tenant_id, command.bot_profile_id)
        if not isinstance(bot, Bot) or not bot.settings.is_active:
            raise NotFound("Bot profile not found or inactive")
