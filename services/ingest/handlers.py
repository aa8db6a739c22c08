"""What a command of ingest depends on outside its own aggregate."""

from collections.abc import Awaitable, Callable
from typing import Any

from services.ingest.domain import Absent
from shared.contracts.base import Metadata
from shared.contracts.ingest import CreateSource
from shared.kernel.errors import InvalidCommand, NotFound

LastSequence = Callable[[str, str, str], Awaitable[int]]
Current = Callable[[str, str, str], Awaitable[Any]]


class CheckReferences:
    """Refuses a source whose bot or parent is not there. Exact: asks the log, not a projection."""

    def __init__(self, last_sequence: LastSequence, current: Current) -> None:
        self._last_sequence = last_sequence
        self._current = current

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `InvalidCommand` or `NotFound`, in the words of the contract."""
        if not isinstance(command, CreateSource):
            return
        bot = command.bot_profile_id
        if not await self._last_sequence(meta.tenant_id, "bot_profile", bot):
            raise InvalidCommand(
                "Bot profile not found or belongs to a different tenant", field="bot_profile_id"
            )
        if command.parent_id is None:
            return
        parent = await self._current("source", meta.tenant_id, command.parent_id)
        if isinstance(parent, Absent) or parent.deleted:
            raise NotFound("Source not found")
        if parent.bot_profile_id != bot:
            raise InvalidCommand(
                "Parent source belongs to a different bot profile", field="parent_id"
            )
        if parent.parent_id is not None:
            raise InvalidCommand("Nesting beyond one level is not allowed", field="parent_id")
