"""What a run with indexes of its own waits for, and what it ends with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.chat.domain.shadow_index import FIRST_STRETCH
from services.chat.reactions.reindexing import AwaitShown, Execute, shown
from shared.contracts.base import Recorded
from shared.contracts.chat import BotProfileUpdated
from shared.contracts.chat_playground import CancelRun, ContinueRun, RunStarted
from shared.contracts.ingest import SourceDeleted
from shared.contracts.ingest_shadow_parts import PartFailed, PartPrepared


class ShadowIndexRows(Protocol):
    async def whole(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        """Runs of the bot whose indexes have every source that they are to have."""
        ...

    async def of_bot(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        """Runs of the bot that have indexes of their own."""
        ...


@dataclass(frozen=True)
class AskWhenWhole:
    """Lets a run ask its first question as soon as its indexes have every source."""

    execute: Execute
    rows: ShadowIndexRows
    await_shown: AwaitShown

    async def __call__(self, recorded: Recorded[RunStarted | PartPrepared | SourceDeleted]) -> None:
        """Raise `Unavailable` while the projection is not there yet."""
        event, tenant_id = recorded.event, recorded.tenant_id
        if isinstance(event, RunStarted):
            if not event.plan.indexes:
                return
            bot_id = event.plan.bot_profile_id
        else:
            bot_id = event.bot_profile_id
        await shown(self.await_shown, recorded.sequence)
        for run_id in await self.rows.whole(tenant_id, bot_id):
            # Of a run that is further this makes nothing.
            command = ContinueRun(run_id=run_id, stretch=FIRST_STRETCH)
            await self.execute(command, recorded.metadata, f"ask {run_id}")


@dataclass(frozen=True)
class EndIncomplete:
    """A source that cannot be cut or embedded as a variant wants it ends the run."""

    execute: Execute

    async def __call__(self, recorded: Recorded[PartFailed]) -> None:
        event = recorded.event
        reason = f"An index for a variant could not be made: {event.reason}"
        command = CancelRun(run_id=event.run_id, reason=reason)
        await self.execute(command, recorded.metadata, "end incomplete")


@dataclass(frozen=True)
class EndWithBot:
    """Nothing is kept beside the index of a bot that is gone."""

    execute: Execute
    rows: ShadowIndexRows

    async def __call__(self, recorded: Recorded[BotProfileUpdated]) -> None:
        event = recorded.event
        if event.settings.is_active:
            return
        for run_id in await self.rows.of_bot(recorded.tenant_id, event.bot_profile_id):
            command = CancelRun(run_id=run_id, reason="The bot is gone")
            await self.execute(command, recorded.metadata, f"end {run_id}")
