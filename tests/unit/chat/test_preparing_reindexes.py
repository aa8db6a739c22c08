"""What a bot's index would be made by: by the bot as it is, and refused as the change would be."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from services.chat.domain.bots import Bot, BotState, NoBot, bot_decider
from services.chat.handlers import CheckBot
from services.chat.queries.bot_index import BotIndexQueries
from shared.contracts.base import Metadata
from shared.contracts.chat import BotSettings, UpdateBotProfile
from shared.contracts.chat_index import IndexSettings, PrepareReindex
from shared.kernel.errors import InvalidCommand, NotFound
from tests.unit.samples import TENANT

MISSING = frozenset({"local/minilm"})
BOT = Bot(settings=BotSettings(name="Guide", chunk_size=512, chunk_overlap=64))


class Everything:
    """Is proven."""

    async def check_publication(self, command: UpdateBotProfile, meta: Metadata) -> None:
        """It is."""

    async def check_gate(self, bot_profile_id: str, suite_id: str, meta: Metadata) -> None:
        """There is."""


async def wanted(tenant_id: str, bot: BotSettings) -> IndexSettings:
    """As for a bot that has a way to every model."""
    assert tenant_id == TENANT
    return IndexSettings(
        chunk_size=bot.chunk_size, chunk_overlap=bot.chunk_overlap, embedder=bot.embedding_model
    )


async def prepared(meta: Metadata, changes: Mapping[str, Any], bot: BotState = BOT) -> Any:
    async def current(aggregate: str, tenant_id: str, bot_id: str) -> BotState:
        assert (aggregate, tenant_id, bot_id) == ("bot_profile", TENANT, "b1")
        return bot

    rows = cast("Any", None)  # nothing may be read from them: they may be behind
    queries = BotIndexQueries(rows, rows, current, wanted, MISSING)
    question = PrepareReindex(bot_profile_id="b1", changes=changes)
    return await queries.prepare_reindex(question, meta)


async def refusal(meta: Metadata, changes: Mapping[str, Any]) -> tuple[str, str | None]:
    """What the change itself is told."""
    command = UpdateBotProfile(bot_profile_id="b1", changes=changes)

    async def change() -> None:
        await CheckBot(MISSING, Everything())(command, meta)
        bot_decider.decide(BOT, command, meta)

    with pytest.raises(InvalidCommand) as told:
        await change()
    return str(told.value), told.value.field


async def test_what_is_left_out_is_as_the_bot_has_it(metadata: Metadata) -> None:
    assert await prepared(metadata, {}) == IndexSettings(chunk_size=512, chunk_overlap=64)
    assert await prepared(metadata, {"chunk_size": 256, "embedding_model": "other"}) == (
        IndexSettings(chunk_size=256, chunk_overlap=64, embedder="other")
    )
    assert await prepared(metadata, {"chunk_size": None, "chunk_overlap": None}) == IndexSettings()


@pytest.mark.parametrize(
    "changes",
    [
        {"chunk_overlap": 257},
        {"chunk_size": 100},
        {"chunk_size": None, "chunk_overlap": 601},
        {"chunk_size": 99},
        {"chunk_overlap": -1},
        {"embedding_model": "local/minilm"},
    ],
    ids=str,
)
async def test_what_the_change_is_refused_is_refused_alike(
    metadata: Metadata, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidCommand) as told:
        await prepared(metadata, changes)
    assert (str(told.value), told.value.field) == await refusal(metadata, changes)


async def test_the_gate_of_a_bot_does_not_stand_in_the_way(metadata: Metadata) -> None:
    gated = Bot(settings=BOT.settings.model_copy(update={"gate_suite_id": "s1"}))
    assert (await prepared(metadata, {"chunk_size": 256}, gated)).chunk_size == 256


async def test_a_bot_that_is_not_there_is_not_found(metadata: Metadata) -> None:
    with pytest.raises(NotFound, match="Bot profile not found"):
        await prepared(metadata, {}, NoBot())
