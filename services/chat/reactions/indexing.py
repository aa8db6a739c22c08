"""Tells when a revision is in the index."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import RecordIndexBuilt, RecordIndexFailed
from shared.contracts.ingest import SourcePrepared
from shared.kernel.errors import Unavailable

SHOWN_SECONDS = 30.0
FEW = 4
"""At a time: what was told last waits for the one vector engine with a connection to the database
in hand, of which there are not many."""

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
AwaitShown = Callable[[int, float], Awaitable[int]]


@dataclass(frozen=True)
class TellIndexed:
    """Once the rows name a new revision, tell that it answers."""

    execute: Execute
    await_shown: AwaitShown

    async def __call__(self, recorded: Recorded[SourcePrepared]) -> None:
        """Raise `Unavailable` while the projection is not there yet."""
        event = recorded.event
        if await self.await_shown(recorded.sequence, SHOWN_SECONDS) < recorded.sequence:
            raise Unavailable("the index is not there yet")
        command = RecordIndexBuilt(
            source_id=event.source_id,
            run_id=event.run_id,
            revision=event.prepared.revision,
            points=event.prepared.chunk_count,
        )
        await self.execute(command, recorded.metadata, "index built")

    async def given_up(self, recorded: Recorded[SourcePrepared], reason: str) -> None:
        """After the last attempt the source says so: nothing stays in `processing`."""
        event = recorded.event
        command = RecordIndexFailed(
            source_id=event.source_id,
            run_id=event.run_id,
            revision=event.prepared.revision,
            reason=reason,
        )
        await self.execute(command, recorded.metadata, "index failed")
