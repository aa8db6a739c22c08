"""Which variants of a run need an index of their own, and which share one."""

from typing import Any

import pytest

from services.chat.queries.shadow_plans import ShadowPlans
from shared.contracts.chat import BotSettings
from shared.contracts.chat_index import IndexSettings
from shared.contracts.chat_playground import Variant
from shared.kernel.errors import InvalidCommand
from tests.unit.samples import TENANT

BUNDLED = "local/static"
REACHABLE = "text-embedding-3-small"
BOT = BotSettings(name="Guide", chunk_size=800)


async def wanted(tenant_id: str, bot: BotSettings) -> IndexSettings:
    """As for a bot with a key for one model."""
    assert tenant_id == TENANT
    assert bot.model == BOT.model, "credentials are for the published model"
    return IndexSettings(
        chunk_size=bot.chunk_size,
        chunk_overlap=bot.chunk_overlap,
        embedder=REACHABLE if bot.embedding_model == REACHABLE else None,
    )


async def planned(*changes: dict[str, Any]) -> tuple[list[int | None], tuple[IndexSettings, ...]]:
    """Numbers of the variants' indexes, and the indexes."""
    given = [Variant(title=str(n), changes=one) for n, one in enumerate(changes)]
    variants, indexes = await ShadowPlans(wanted, BUNDLED)(TENANT, BOT, given)
    assert [one.changes for one in variants] == list(changes)
    return [one.index for one in variants], indexes


async def test_variants_that_are_indexed_alike_share_an_index() -> None:
    numbers, indexes = await planned(
        {},
        {"chunk_size": 200},
        {"chunk_size": 200, "floor": 0.2, "model": "gpt-4o"},
        {"embedding_model": REACHABLE},
    )
    assert numbers == [None, 0, 0, 1]
    assert indexes == (
        IndexSettings(chunk_size=200),
        IndexSettings(chunk_size=800, embedder=REACHABLE),
    )


@pytest.mark.parametrize(
    "changes",
    [{"floor": 0.5}, {"chunk_size": 800}, {"embedding_model": BUNDLED}, {"embedding_model": None}],
)
async def test_what_comes_to_the_bots_own_index_needs_none(changes: dict[str, Any]) -> None:
    assert await planned(changes) == ([None], ())


async def test_a_model_that_the_bot_has_no_way_to_is_refused() -> None:
    """In a bot's settings it stands for the bundled one; a run would compare that with itself."""
    with pytest.raises(InvalidCommand, match="no way to") as refused:
        await planned({}, {"embedding_model": "voyage-3"})
    assert refused.value.field == "variants.1.embedding_model"


async def test_chunks_that_cannot_be_are_refused_with_their_field() -> None:
    with pytest.raises(InvalidCommand) as refused:
        await planned({"chunk_overlap": 401})
    assert refused.value.field == "variants.0.chunk_overlap"
    assert (await planned({"chunk_overlap": 400}))[0] == [0]
