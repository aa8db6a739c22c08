"""What a command of ingest depends on outside its own aggregate."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cachetools import LRUCache

from services.ingest.domain.source import Absent
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.ingest import CreateSource, CreateSourceBatch, DeleteSource
from shared.contracts.ingest_stages import UndoSource
from shared.contracts.ingest_website import CancelCrawl, PauseCrawl, ResumeCrawl
from shared.kernel.errors import Conflict, InvalidCommand, NotFound, StaleVersion

LastSequence = Callable[[str, str, str], Awaitable[int]]
Current = Callable[[str, str, str], Awaitable[Any]]
ChildrenOf = Callable[[str, str], Awaitable[Sequence[str]]]
Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
ExecuteTogether = Callable[[Sequence[Command], Metadata, str], Awaitable[None]]

BOTS = 10_000
"""Bots that are known to be there, at a time."""
AT_ONCE = 100
"""Children that are deleted in one append."""


class CheckReferences:
    """Refuses a source whose bot or parent is not there, and a crawl whose source is not. Exact:
    asks the log, not a projection.
    """

    def __init__(self, last_sequence: LastSequence, current: Current) -> None:
        self._last_sequence = last_sequence
        self._current = current
        self._bots: LRUCache[tuple[str, str], None] = LRUCache(BOTS)
        """Known to be there, by tenant: nothing takes one away but the erasure of the tenant, after
        which nothing is appended for it.
        """

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `InvalidCommand` or `NotFound`, in the words of the contract."""
        if isinstance(command, UndoSource):
            await self._check_undo(command, meta)
        if isinstance(command, PauseCrawl | ResumeCrawl | CancelCrawl):
            source = await self._current("source", meta.tenant_id, command.source_id)
            if isinstance(source, Absent) or source.deleted:
                raise NotFound("Source not found")
        if isinstance(command, CreateSource):
            await self.check_new(command.bot_profile_id, command.parent_id, meta)
        if isinstance(command, CreateSourceBatch):
            await self.check_new(command.bot_profile_id, None, meta)

    async def check_new(self, bot: str, parent_id: str | None, meta: Metadata) -> None:
        """Whether a source may be made for a bot and below a parent. Raises as the call does."""
        if (meta.tenant_id, bot) not in self._bots:
            if not await self._last_sequence(meta.tenant_id, "bot_profile", bot):
                raise InvalidCommand(
                    "Bot profile not found or belongs to a different tenant", field="bot_profile_id"
                )
            self._bots[meta.tenant_id, bot] = None
        if parent_id is None:
            return
        parent = await self._current("source", meta.tenant_id, parent_id)
        if isinstance(parent, Absent) or parent.deleted:
            raise NotFound("Source not found")
        if parent.bot_profile_id != bot:
            raise InvalidCommand(
                "Parent source belongs to a different bot profile", field="parent_id"
            )
        if parent.parent_id is not None:
            raise InvalidCommand("Nesting beyond one level is not allowed", field="parent_id")

    async def _check_undo(self, command: UndoSource, meta: Metadata) -> None:
        """A child does not come back without its parent."""
        source = await self._current("source", meta.tenant_id, command.source_id)
        if isinstance(source, Absent) or source.parent_id is None:
            return
        parent = await self._current("source", meta.tenant_id, source.parent_id)
        if isinstance(parent, Absent) or parent.deleted:
            raise Conflict("The parent of this source is deleted: undo that first")


class DeleteChildrenFirst:
    """A family goes from below: once the parent is deleted, so are all its children.

    A child that is created at the same moment may be missed here; `SweepChildren` finds it.
    """

    def __init__(
        self, execute: Execute, execute_together: ExecuteTogether, children_of: ChildrenOf
    ) -> None:
        self._execute = execute
        self._execute_together = execute_together
        self._children_of = children_of

    async def __call__(self, command: Any, meta: Metadata) -> None:
        """Raise `Unavailable` if a child cannot be deleted now."""
        if not isinstance(command, DeleteSource):
            return
        children = await self._children_of(meta.tenant_id, command.source_id)
        for first in range(0, len(children), AT_ONCE):
            await self._delete(children[first : first + AT_ONCE], meta)

    async def _delete(self, children: Sequence[str], meta: Metadata) -> None:
        commands = [DeleteSource(source_id=child, with_parent=True) for child in children]
        try:
            await self._execute_together(commands, meta, f"delete {children[0]} and others")
        except StaleVersion:
            # One of them is being ingested, or this is a repetition: each for itself, then.
            for command in commands:
                await self._execute(command, meta, f"delete {command.source_id}")
