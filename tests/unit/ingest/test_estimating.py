"""What another index would take is told of the settings that are asked about."""

from collections.abc import Sequence
from typing import cast

import pytest

from services.ingest.ports import BotIndexed
from services.ingest.queries.bots import BotRows, EstimateQueries
from shared.contracts.base import Metadata
from shared.contracts.chat_index import IndexSettings
from shared.contracts.ingest_shadow import EstimateReindex, ReindexEstimate
from tests.unit.samples import TENANT

BUNDLED = "local/static"


class Rows:
    """Know of no key that the bot may have been given a moment ago."""

    async def bot(self, tenant_id: str, bot_profile_id: str) -> BotIndexed:
        assert (tenant_id, bot_profile_id) == (TENANT, "b1")
        return BotIndexed(1, IndexSettings(chunk_size=500), None, None, "gpt", None)

    async def characters(self, tenant_id: str, bot_profile_id: str) -> Sequence[int]:
        return [1000, 3000]


class Sizes:
    def sizes(self, settings: IndexSettings) -> tuple[int, int]:
        return settings.chunk_size or 1200, settings.chunk_overlap or 0


async def price(model: str) -> float | None:
    return {"text-embedding-3-small": 2e-8}.get(model)


async def estimate(metadata: Metadata, settings: IndexSettings) -> ReindexEstimate:
    queries = EstimateQueries(cast("BotRows", Rows()), Sizes(), price, BUNDLED)
    question = EstimateReindex(bot_profile_id="b1", settings=settings)
    return await queries.estimate(question, metadata)


async def test_a_model_is_paid_for_whatever_is_known_of_the_bots_keys(metadata: Metadata) -> None:
    settings = IndexSettings(chunk_size=500, embedder="text-embedding-3-small")
    found = await estimate(metadata, settings)
    assert (found.settings, found.needed) == (settings, True)
    assert (found.sources, found.chunks) == (2, 11)
    assert found.price_usd == pytest.approx(found.tokens * 2e-8)


async def test_a_price_that_nobody_knows_is_none(metadata: Metadata) -> None:
    assert (await estimate(metadata, IndexSettings(embedder="my-own"))).price_usd is None


async def test_what_answers_already_costs_nothing_and_is_not_needed(metadata: Metadata) -> None:
    found = await estimate(metadata, IndexSettings(chunk_size=500))
    assert (found.needed, found.price_usd) == (False, 0.0)
