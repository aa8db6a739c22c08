"""What may happen to a bot."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from services.chat.domain.overrides import INDEXED, TRIED, field_of, overridden
from shared.contracts.base import Message, Metadata
from shared.contracts.chat import (
    BotProfileCommand,
    BotProfileCreated,
    BotProfileEvent,
    BotProfileUpdated,
    BotSettings,
    CreateBotProfile,
    DeactivateBotProfile,
    Publication,
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
    version: int = 1


class Published(BotSettings):
    """The settings of a bot with their version, which rises with every change."""

    version: int | None = 1
    """None: they are not saved."""


BotState = NoBot | Bot


def decide(bot: BotState, command: BotProfileCommand, _meta: Metadata) -> Sequence[BotProfileEvent]:
    """What `command` does to `bot`. Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    match command:
        case CreateBotProfile(bot_profile_id=bot_id, settings=settings):
            if isinstance(bot, Bot):
                raise Conflict("A bot profile with this id exists already")
            check_chunks(settings)
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
    if command.of_version not in (None, bot.version):
        raise Conflict("The bot was changed meanwhile")
    if settings == bot.settings:
        return []
    _check_gate(bot.settings, settings, command)
    return [
        BotProfileUpdated(
            bot_profile_id=command.bot_profile_id,
            settings=settings,
            publication=command.publication,
        )
    ]


def _check_gate(before: BotSettings, after: BotSettings, command: UpdateBotProfile) -> None:
    """Raise `Conflict` if the bot's gate demands a run for what is to be changed."""
    told = command.publication or Publication()
    if before.gate_suite_id is None or told.run_id is not None or told.restores is not None:
        return
    if any(getattr(before, name) != getattr(after, name) for name in TRIED | INDEXED):
        raise Conflict("This bot has a gate: publish a variant of a run of its gate suite")


def drafted(saved: Published, draft: Mapping[str, Any] | None) -> Published:
    """`saved`, or with a draft what it would become. Raises `InvalidCommand`."""
    if not draft:
        return saved
    return overridden(saved, draft).model_copy(update={"version": None})


def changed(settings: BotSettings, changes: Mapping[str, Any], where: str = "") -> BotSettings:
    """What an owner's changes make of `settings`. Raises `InvalidCommand`; `where` stands before
    the field's name.
    """
    after = overridden(settings, changes, where)
    check_chunks(after, where)
    return after


def check_embedder(name: str | None, missing: Collection[str]) -> None:
    """Raise `InvalidCommand` for a model of the product's own that is `missing` here."""
    if name in missing:
        raise InvalidCommand(
            f"embedding_model: {name} is not installed here", field="embedding_model"
        )


def check_chunks(settings: BotSettings, where: str = "") -> None:
    """Raise `InvalidCommand` for chunks that would share more than half of their text; `where`
    stands before the field's name.
    """
    size, overlap = settings.chunk_size, settings.chunk_overlap
    if overlap is not None and overlap > (size or OPERATORS_SIZE) // 2:
        field = field_of(where, "chunk_overlap")
        raise InvalidCommand("chunk_overlap: at most half of chunk_size", field=field)


def evolve(bot: BotState, event: BotProfileEvent) -> BotState:
    """Both events tell the whole settings."""
    before = bot.version if isinstance(bot, Bot) else 0
    match event:
        case BotProfileCreated() | BotProfileUpdated():
            return Bot(settings=event.settings, version=before + 1)


bot_decider: Decider[BotState, BotProfileCommand, BotProfileEvent] = Decider(
    aggregate="bot_profile",
    initial=NoBot(),
    state=TypeAdapter(Annotated[BotState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
