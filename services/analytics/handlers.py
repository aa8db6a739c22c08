"""What a command of analytics depends on outside its own aggregate."""

from collections.abc import Awaitable, Callable
from typing import Any

from shared.contracts.analytics import CreateBudget, UpdateBudget
from shared.contracts.base import Metadata
from shared.kernel.errors import InvalidCommand

LastSequence = Callable[[str, str, str], Awaitable[int]]


class CheckBot:
    """Refuses a budget of a bot that is not there. Exact: asks the log, not a projection."""

    def __init__(self, last_sequence: LastSequence) -> None:
        self._last_sequence = last_sequence

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `InvalidCommand`."""
        match command:
            case CreateBudget(settings=settings):
                bot = settings.bot_profile_id
            case UpdateBudget(changes={"bot_profile_id": str(bot)}):
                pass
            case _:
                return
        if bot is not None and not await self._last_sequence(meta.tenant_id, "bot_profile", bot):
            raise InvalidCommand("Bot profile not found", field="bot_profile_id")
