"""What follows for children from facts about their parent."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from services.ingest.domain.source import Present
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.ingest import (
    ChildrenIngestionRequested,
    DeleteSource,
    RequestIngestion,
    SourceCreated,
    SourceDeleted,
    SourceUpdated,
    UpdateSource,
)
from shared.contracts.ingest_stages import SourceUndone, UndoSource
from shared.kernel.errors import Conflict, NotFound, Unavailable

SHOWN_SECONDS = 30.0
INHERITED = frozenset({"authority", "is_active", "language"})
"""Settings of a website that its pages have as well."""

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
ChildrenOf = Callable[[str, str], Awaitable[Sequence[str]]]
AwaitShown = Callable[[int, float], Awaitable[int]]


class IngestChildren:
    """Asks for the ingestion of every active child that is not being processed."""

    def __init__(self, execute: Execute, children_of: ChildrenOf, await_shown: AwaitShown) -> None:
        self._execute = execute
        self._children_of = children_of
        self._await_shown = await_shown

    async def __call__(self, recorded: Recorded[ChildrenIngestionRequested]) -> None:
        """Raise `Unavailable` while the read model does not show all children yet."""
        await _shown(self._await_shown, recorded.sequence)
        for child in await self._children_of(recorded.tenant_id, recorded.event.source_id):
            try:
                await self._execute(
                    RequestIngestion(source_id=child), recorded.metadata, f"ingest {child}"
                )
            except (Conflict, NotFound):
                continue  # it is being processed, or was deleted meanwhile


class SweepChildren:
    """Deletes children that were created while their parent was being deleted.

    The two facts come in either order: a child finds its parent deleted, or a deleted parent finds
    a child that was not shown yet when the parent's command looked for them.
    """

    def __init__(
        self,
        execute: Execute,
        current: Current,
        children_of: ChildrenOf,
        await_shown: AwaitShown,
    ) -> None:
        self._execute = execute
        self._current = current
        self._children_of = children_of
        self._await_shown = await_shown

    async def __call__(self, recorded: Recorded[SourceCreated | SourceDeleted]) -> None:
        """Raise `Unavailable` while the read model does not show all children yet."""
        for orphan in await self._orphans(recorded):
            await self._execute(
                DeleteSource(source_id=orphan, with_parent=True),
                recorded.metadata,
                f"delete orphan {orphan}",
            )

    async def _orphans(self, recorded: Recorded[SourceCreated | SourceDeleted]) -> Sequence[str]:
        event, tenant_id = recorded.event, recorded.tenant_id
        match event:
            case SourceDeleted(parent_id=None):
                await _shown(self._await_shown, recorded.sequence)
                gone = await self._current("source", tenant_id, event.source_id)
                if not (isinstance(gone, Present) and gone.deleted):
                    return []  # it came back meanwhile, and its children with it
                return await self._children_of(tenant_id, event.source_id)
            case SourceCreated(parent_id=str() as parent_id):
                parent = await self._current("source", tenant_id, parent_id)
                orphaned = isinstance(parent, Present) and parent.deleted
                return [event.source_id] if orphaned else []
            case _:
                return []


class RestoreChildren:
    """Children that were deleted with their parent come back with it."""

    def __init__(self, execute: Execute, deleted_with: ChildrenOf, await_shown: AwaitShown) -> None:
        self._execute = execute
        self._deleted_with = deleted_with
        self._await_shown = await_shown

    async def __call__(self, recorded: Recorded[SourceUndone]) -> None:
        """Raise `Unavailable` while the read model does not show the deletion yet."""
        event = recorded.event
        if not event.undeleted or event.parent_id is not None:
            return
        await _shown(self._await_shown, recorded.sequence)
        for child in await self._deleted_with(recorded.tenant_id, event.source_id):
            try:
                await self._execute(
                    UndoSource(source_id=child), recorded.metadata, f"restore {child}"
                )
            except Conflict:
                continue  # it was undone by itself meanwhile, or its parent deleted again


class PassSettingsOn:
    """What is changed about a website is changed about its pages."""

    def __init__(
        self,
        execute: Execute,
        current: Current,
        children_of: ChildrenOf,
        await_shown: AwaitShown,
    ) -> None:
        self._execute = execute
        self._current = current
        self._children_of = children_of
        self._await_shown = await_shown

    async def __call__(self, recorded: Recorded[SourceUpdated]) -> None:
        """Raise `Unavailable` while the read model does not show all pages yet."""
        changed = INHERITED.intersection(recorded.event.changed)
        if not changed:
            return
        website = await self._current("source", recorded.tenant_id, recorded.event.source_id)
        if not isinstance(website, Present) or website.source_type != "website":
            return
        # As they are by now: a later change may have been passed on before.
        changes = {name: getattr(website.settings, name) for name in sorted(changed)}
        await _shown(self._await_shown, recorded.sequence)
        for page in await self._children_of(recorded.tenant_id, recorded.event.source_id):
            with suppress(NotFound):  # it was deleted meanwhile
                await self._execute(
                    UpdateSource(source_id=page, changes=changes),
                    recorded.metadata,
                    f"pass settings on to {page}",
                )


async def _shown(await_shown: AwaitShown, sequence: int) -> None:
    if await await_shown(sequence, SHOWN_SECONDS) < sequence:
        raise Unavailable("the list of sources is not there yet")
