"""What may happen to the index of a bot: which generation answers, and which one is being built."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.chat_index import (
    BotIndexCommand,
    BotIndexEvent,
    FailReindex,
    IndexRetired,
    IndexSettings,
    IndexSwitched,
    ReindexCancelled,
    ReindexFailed,
    ReindexStarted,
    RetireIndex,
    RetryReindex,
    StartReindex,
    SwitchIndex,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict

REASON_LIMIT = 2000
"""Characters of a reason that are kept."""


class Building(Message):
    """A generation on its way."""

    generation: int
    settings: IndexSettings
    failed: bool = False


class BotIndex(Message):
    """A bot of which nothing was told answers from generation 0, made by the defaults."""

    generation: int = 0
    settings: IndexSettings = IndexSettings()
    building: Building | None = None
    newest: int = 0
    """The highest number that was given away."""


def decide(index: BotIndex, command: BotIndexCommand, _meta: Metadata) -> Sequence[BotIndexEvent]:
    """What `command` does to `index`. Raises `Conflict`."""
    match command:
        case StartReindex():
            return _start(index, command)
        case RetryReindex(bot_profile_id=bot_id):
            if index.building is None or not index.building.failed:
                raise Conflict("There is no failed re-index to begin anew")
            return [_started(index, bot_id, index.building.settings)]
        case SwitchIndex(bot_profile_id=bot_id, generation=generation):
            building = _building(index, generation)
            if building is None:
                return []
            return [_switched(index, bot_id, generation, building.settings)]
        case FailReindex(generation=generation):
            if _building(index, generation) is None:
                return []
            return [
                ReindexFailed(
                    bot_profile_id=command.bot_profile_id,
                    generation=generation,
                    source_id=command.source_id,
                    reason=command.reason[:REASON_LIMIT],
                )
            ]
        case RetireIndex(generation=generation):
            if generation != index.generation:
                return []
            return [IndexRetired.model_validate(command.model_dump())]


def _start(index: BotIndex, command: StartReindex) -> Sequence[BotIndexEvent]:
    bot_id, wanted, building = command.bot_profile_id, command.settings, index.building
    if building is not None and building.settings == wanted and not building.failed:
        return []
    if wanted == index.settings:
        if building is None:
            return []
        return [ReindexCancelled(bot_profile_id=bot_id, generation=building.generation)]
    started = _started(index, bot_id, wanted)
    if command.empty and index.newest == 0:
        return [started, _switched(index, bot_id, started.generation, wanted)]
    return [started]


def _started(index: BotIndex, bot_id: str, settings: IndexSettings) -> ReindexStarted:
    return ReindexStarted(bot_profile_id=bot_id, generation=index.newest + 1, settings=settings)


def _switched(
    index: BotIndex, bot_id: str, generation: int, settings: IndexSettings
) -> IndexSwitched:
    return IndexSwitched(
        bot_profile_id=bot_id, generation=generation, replaced=index.generation, settings=settings
    )


def _building(index: BotIndex, generation: int) -> Building | None:
    """The generation of this number, if it is still on its way and whole so far."""
    building = index.building
    if building is None or building.generation != generation or building.failed:
        return None
    return building


def evolve(index: BotIndex, event: BotIndexEvent) -> BotIndex:
    """What `event` makes of `index`. Never raises."""
    match event:
        case ReindexStarted(generation=generation, settings=settings):
            building = Building(generation=generation, settings=settings)
            return index.model_copy(update={"building": building, "newest": generation})
        case ReindexCancelled():
            return index.model_copy(update={"building": None})
        case ReindexFailed():
            failed = index.building and index.building.model_copy(update={"failed": True})
            return index.model_copy(update={"building": failed})
        case IndexSwitched(generation=generation, settings=settings):
            now = {"generation": generation, "settings": settings, "building": None}
            return index.model_copy(update=now)
        case IndexRetired():
            return index


bot_index_decider: Decider[BotIndex, BotIndexCommand, BotIndexEvent] = Decider(
    aggregate="bot_index",
    initial=BotIndex(),
    state=TypeAdapter(BotIndex),
    decide=decide,
    evolve=evolve,
)
