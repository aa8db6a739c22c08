"""What follows for the index of a bot from its settings, and from what ingest made ready."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from services.chat.domain.bots import Bot
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated, BotSettings
from shared.contracts.chat_index import (
    FailReindex,
    IndexSettings,
    IndexSwitched,
    ReindexStarted,
    RetireIndex,
    StartReindex,
    SwitchIndex,
)
from shared.contracts.ingest import SourceDeleted
from shared.contracts.ingest_shadow import ShadowFailed, ShadowPrepared
from shared.kernel.errors import Unavailable

SHOWN_SECONDS = 30.0

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]
AwaitShown = Callable[[int, float], Awaitable[int]]
Secret = Callable[[str, str], Awaitable[bytes | None]]
Effective = Callable[[str | None, Mapping[str, str], str], str]
"""The embedding model that is used for a bot: what it names, its credentials, its chat model."""


class IndexRows(Protocol):
    async def whole(self, tenant_id: str, bot_profile_id: str) -> int | None: ...

    async def answers(self, tenant_id: str, bot_profile_id: str, generation: int) -> bool: ...


@dataclass(frozen=True)
class ReindexBot:
    """A bot whose sources are to be cut or embedded otherwise is re-indexed."""

    execute: Execute
    current: Current
    secret: Secret
    effective: Effective
    bundled: str

    async def __call__(self, recorded: Recorded[BotProfileCreated | BotProfileUpdated]) -> None:
        """By the settings as they are now: they may have changed again since."""
        tenant_id, bot_id = recorded.tenant_id, recorded.event.bot_profile_id
        bot = await self.current("bot_profile", tenant_id, bot_id)
        if not isinstance(bot, Bot):
            raise Unavailable("the bot is not shown yet")
        command = StartReindex(
            bot_profile_id=bot_id,
            settings=await self.wanted(tenant_id, bot.settings),
            empty=isinstance(recorded.event, BotProfileCreated),
        )
        await self.execute(command, recorded.metadata, "start reindex")

    async def wanted(self, tenant_id: str, bot: BotSettings) -> IndexSettings:
        """What the settings of a bot come to."""
        credentials: Mapping[str, str] = {}
        if bot.credentials_ref is not None:
            kept = await self.secret(tenant_id, bot.credentials_ref)
            credentials = {} if kept is None else orjson.loads(kept)
        model = self.effective(bot.embedding_model, credentials, bot.model)
        return IndexSettings(
            chunk_size=bot.chunk_size,
            chunk_overlap=bot.chunk_overlap,
            embedder=None if model == self.bundled else model,
        )


@dataclass(frozen=True)
class SwitchWhenWhole:
    """Lets a generation answer as soon as every current source of the bot is in it."""

    execute: Execute
    rows: IndexRows
    await_shown: AwaitShown

    async def __call__(
        self, recorded: Recorded[ReindexStarted | ShadowPrepared | SourceDeleted]
    ) -> None:
        """Raise `Unavailable` while the projection is not there yet."""
        event, tenant_id = recorded.event, recorded.tenant_id
        await shown(self.await_shown, recorded.sequence)
        bot_id = event.bot_profile_id
        generation = await self.rows.whole(tenant_id, bot_id)
        if generation is not None:
            switch = SwitchIndex(bot_profile_id=bot_id, generation=generation)
            await self.execute(switch, recorded.metadata, f"switch to {generation}")
        elif isinstance(event, ShadowPrepared) and await self.rows.answers(
            tenant_id, bot_id, event.generation
        ):
            late = RetireIndex(
                bot_profile_id=bot_id, generation=event.generation, source_id=event.source_id
            )
            await self.execute(late, recorded.metadata, "retire what came late")


@dataclass(frozen=True)
class RetireReplaced:
    """Once nothing asks for the generation before any more, its points can go."""

    execute: Execute
    await_shown: AwaitShown

    async def __call__(self, recorded: Recorded[IndexSwitched]) -> None:
        """Raise `Unavailable` while the projection is not there yet."""
        event = recorded.event
        await shown(self.await_shown, recorded.sequence)
        command = RetireIndex(bot_profile_id=event.bot_profile_id, generation=event.generation)
        await self.execute(command, recorded.metadata, "retire")


@dataclass(frozen=True)
class EndReindex:
    """A source that cannot be brought along ends a re-index; what answers goes on answering."""

    execute: Execute

    async def __call__(self, recorded: Recorded[ShadowFailed]) -> None:
        event = recorded.event
        command = FailReindex(
            bot_profile_id=event.bot_profile_id,
            generation=event.generation,
            source_id=event.source_id,
            reason=event.reason,
        )
        await self.execute(command, recorded.metadata, "fail reindex")


async def shown(await_shown: AwaitShown, sequence: int) -> None:
    """Raise `Unavailable` unless the read model comes to show a position."""
    if await await_shown(sequence, SHOWN_SECONDS) < sequence:
        raise Unavailable("the index is not there yet")
