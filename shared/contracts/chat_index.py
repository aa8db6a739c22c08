"""Messages of the chat service about the index of a bot: which generation of it answers.

A generation is every current source of a bot, cut and embedded by the same settings. Numbers of
generations only rise; 0 is what a bot has before anybody sets anything.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Question

CHUNK_SIZES = (100, 8000)
CHUNK_OVERLAPS = (0, 1000)
ReindexState = Literal["active", "queued", "building", "failed"]
"""Of what the bot's settings ask for: whether that answers, or how far it is."""


class ChunkSettings(Message):
    """How the texts of a bot are cut."""

    chunk_size: int | None = Field(default=None, ge=CHUNK_SIZES[0], le=CHUNK_SIZES[1])
    """Characters of a chunk at most; None: what the operator has set."""
    chunk_overlap: int | None = Field(default=None, ge=CHUNK_OVERLAPS[0], le=CHUNK_OVERLAPS[1])
    """Characters that neighbours share; None: what the operator has set."""


class IndexSettings(ChunkSettings):
    """How the texts of a bot are cut and embedded."""

    embedder: str | None = None
    """The embedding model that is really used; None: the bundled one."""


class BotIndexMessage(Keyed):
    aggregate: ClassVar[str] = "bot_index"
    bot_profile_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.bot_profile_id


class StartReindex(BotIndexMessage, Command):
    """The bot is to answer from an index that was made by these settings."""

    verb: ClassVar[str] = "start_reindex"
    settings: IndexSettings
    empty: bool = False
    """The bot was only just made: there is nothing that could answer meanwhile."""


class RetryReindex(BotIndexMessage, Command):
    """Begin a re-index anew that failed."""

    verb: ClassVar[str] = "retry_reindex"


class SwitchIndex(BotIndexMessage, Command):
    """Every current source is in this generation: let it answer."""

    verb: ClassVar[str] = "switch"
    generation: int


class FailReindex(BotIndexMessage, Command):
    """A source cannot be brought into this generation."""

    verb: ClassVar[str] = "fail_reindex"
    generation: int
    source_id: str
    reason: str


class RetireIndex(BotIndexMessage, Command):
    """What a generation replaced answers no more, and can go."""

    verb: ClassVar[str] = "retire"
    generation: int
    source_id: str | None = None
    """Only of this source."""


class ReindexStarted(BotIndexMessage, Event):
    """A generation is being built; one that was being built before it is given up."""

    name: ClassVar[str] = "reindex_started"
    generation: int
    settings: IndexSettings


class ReindexCancelled(BotIndexMessage, Event):
    """The settings are again those of the generation that answers."""

    name: ClassVar[str] = "reindex_cancelled"
    generation: int


class ReindexFailed(BotIndexMessage, Event):
    """The generation cannot be completed; the one before goes on answering."""

    name: ClassVar[str] = "reindex_failed"
    generation: int
    source_id: str
    reason: str


class IndexSwitched(BotIndexMessage, Event):
    """From here on this generation answers."""

    name: ClassVar[str] = "index_switched"
    generation: int
    replaced: int
    settings: IndexSettings


class IndexRetired(BotIndexMessage, Event):
    """What this generation replaced is taken out of the index."""

    name: ClassVar[str] = "index_retired"
    generation: int
    source_id: str | None = None


BotIndexCommand = StartReindex | RetryReindex | SwitchIndex | FailReindex | RetireIndex
BotIndexEvent = ReindexStarted | ReindexCancelled | ReindexFailed | IndexSwitched | IndexRetired


class BuildingView(Message):
    """A generation on its way."""

    generation: int
    settings: IndexSettings
    sources_done: int
    sources_total: int
    started_at: datetime
    reason: str | None = None
    """Why it failed."""
    failed_source_id: str | None = None


class BotIndexView(Message):
    """From which generation a bot answers, and what is being built."""

    bot_profile_id: str
    state: ReindexState
    generation: int
    settings: IndexSettings
    sources: int
    """That answer."""
    chunks: int
    switched_at: datetime | None = None
    building: BuildingView | None = None


class GetBotIndex(Question[BotIndexView]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_bot_index"
    bot_profile_id: str


class PrepareReindex(Question[IndexSettings]):
    """What a bot's index would be made by, were these fields of `BotSettings` changed. Refused as
    the change itself would be.
    """

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "prepare_reindex"
    bot_profile_id: str
    changes: Mapping[str, Any]
