"""What may happen to a bot."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from shared.contracts.base import Message, Metadata
from shared.contracts.chat import (
    BotProfileCommand,
    BotProfileCreated,
    BotProfileEvent,
    BotProfileUpdated,
    BotSettings,
    CreateBotProfile,
    DeactivateBotProfile,
    UpdateBotProfile,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, InvalidCommand, NotFound

OPERATORS_SIZE = 1200
"""Characters of a chunk where neither the bot nor the operator says otherwise."""


class NoBot(Message):
    kind: Literal["absent"] = "absent"


class Bot(Message):
    kind: Literal["present"] = "present"
    settings: BotSettings


BotState = NoBot | Bot


def decide(bot: BotState, command: BotProfileCommand, _meta: Metadata) -> Sequence[BotProfileEvent]:
    """What `command` does to `bot`. Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    match command:
        case CreateBotProfile(bot_profile_id=bot_id, settings=settings):
            if isinstance(bot, Bot):
                raise Conflict("A bot profile with this id exists already")
            _check_chunks(settings)
            return [BotProfileCreated(bot_profile_id=bot_id, settings=settings)]
        case UpdateBotProfile():
            return _update(bot, command)
        case DeactivateBotProfile(bot_profile_id=bot_id):
            changes = {"is_active": False}
            return _update(bot, UpdateBotProfile(bot_profile_id=bot_id, changes=changes))


def _update(bot: BotState, command: UpdateBotProfile) -> Sequence[BotProfileEvent]:
    if isinstance(bot, NoBot):
        raise NotFound("Bot profile not found")
    settings = changed(bot.settings, command.changes)
    _check_chunks(settings)
    if settings == bot.settings:
        return []
    return [BotProfileUpdated(bot_profile_id=command.bot_profile_id, settings=settings)]


def changed(settings: BotSettings, changes: Mapping[str, Any]) -> BotSettings:
    """The settings with other values for the named fields. Raises `InvalidCommand`."""
    try:
        return BotSettings.model_validate(settings.model_dump() | dict(changes))
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise InvalidCommand(f"{field}: {first['msg']}", field=field) from error


def _check_chunks(settings: BotSettings) -> None:
    """Raise `InvalidCommand` for chunks that would share more than half of their text."""
    size, overlap = settings.chunk_size, settings.chunk_overlap
    if overlap is not None and overlap > (size or OPERATORS_SIZE) // 2:
        raise InvalidCommand("chunk_overlap: at most half of chunk_size", field="chunk_overlap")


def evolve(_bot: BotState, event: BotProfileEvent) -> BotState:
    """Both events tell the whole settings."""
    match event:
        case BotProfileCreated() | BotProfileUpdated():
            return Bot(settings=event.settings)


bot_decider: Decider[BotState, BotProfileCommand, BotProfileEvent] = Decider(
    aggregate="bot_profile",
    initial=NoBot(),
    state=TypeAdapter(Annotated[BotState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
