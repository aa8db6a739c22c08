"""A source is refused whose bot or parent is not there."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.ingest.domain.source import Absent, Present, source_decider
from services.ingest.handlers import CheckReferences
from shared.contracts.ingest import CreateSource, DeleteSource, SourceEvent
from shared.contracts.ingest_stages import UndoSource
from shared.contracts.ingest_website import CancelCrawl, PauseCrawl, ResumeCrawl
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from tests.unit.ingest.samples import BATCH, CREATE, CREATED, DELETED
from tests.unit.samples import TENANT, metadata


def check(*bots: str, parents: Mapping[str, list[SourceEvent]] | None = None) -> CheckReferences:
    async def last_sequence(tenant: str, aggregate: str, aggregate_id: str) -> int:
        assert (tenant, aggregate) == (TENANT, "bot_profile")
        return 7 if aggregate_id in bots else 0

    async def current(aggregate: str, tenant: str, aggregate_id: str) -> Absent | Present:
        assert (aggregate, tenant) == ("source", TENANT)
        return source_decider.fold((parents or {}).get(aggregate_id, []))

    return CheckReferences(last_sequence, current)


def child(**changes: Any) -> CreateSource:
    return CREATE.model_copy(update={"parent_id": "p1", **changes})


async def test_a_source_of_a_known_bot_is_fine() -> None:
    await check("b1")(CREATE, metadata())


async def test_a_bot_that_is_not_there_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidCommand, match="Bot profile not found or belongs to") as refusal:
        await check()(CREATE, metadata())
    assert refusal.value.field == "bot_profile_id"


async def test_a_child_of_a_parent_of_the_same_bot_is_fine() -> None:
    await check("b1", parents={"p1": [CREATED]})(child(), metadata())


@pytest.mark.parametrize("past", [[], [CREATED, DELETED]])
async def test_a_parent_that_is_not_there_is_not_found(past: list[SourceEvent]) -> None:
    with pytest.raises(NotFound, match="Source not found"):
        await check("b1", parents={"p1": past})(child(), metadata())


async def test_a_parent_of_another_bot_is_refused() -> None:
    other: list[SourceEvent] = [CREATED.model_copy(update={"bot_profile_id": "b2"})]
    with pytest.raises(InvalidCommand, match="different bot profile") as refusal:
        await check("b1", parents={"p1": other})(child(), metadata())
    assert refusal.value.field == "parent_id"


@pytest.mark.parametrize("parent", [[], [CREATED, DELETED]])
async def test_a_child_does_not_come_back_without_its_parent(parent: list[SourceEvent]) -> None:
    own: list[SourceEvent] = [CREATED.model_copy(update={"parent_id": "p1"}), DELETED]
    order = UndoSource(source_id="s1")
    with pytest.raises(Conflict, match="undo that first"):
        await check(parents={"s1": own, "p1": parent})(order, metadata())
    await check(parents={"s1": own, "p1": [CREATED]})(order, metadata())


async def test_a_source_without_a_parent_comes_back() -> None:
    past: list[SourceEvent] = [CREATED, DELETED]
    await check(parents={"s1": past})(UndoSource(source_id="s1"), metadata())
    await check(parents={})(UndoSource(source_id="s1"), metadata())


async def test_a_grandchild_is_refused() -> None:
    nested: list[SourceEvent] = [CREATED.model_copy(update={"parent_id": "p0"})]
    with pytest.raises(InvalidCommand, match="beyond one level"):
        await check("b1", parents={"p1": nested})(child(), metadata())


async def test_other_commands_depend_on_nothing() -> None:
    await check()(DeleteSource(source_id="s1"), metadata())


async def test_a_batch_needs_its_bot_and_has_its_parent_in_it() -> None:
    await check("b1")(BATCH, metadata())
    with pytest.raises(InvalidCommand, match="Bot profile not found or belongs to"):
        await check()(BATCH, metadata())


@pytest.mark.parametrize("order", [PauseCrawl, ResumeCrawl, CancelCrawl])
async def test_a_crawl_needs_its_source(order: Any) -> None:
    await check(parents={"s1": [CREATED]})(order(source_id="s1"), metadata())
    gone: list[list[SourceEvent]] = [[], [CREATED, DELETED]]
    for past in gone:
        with pytest.raises(NotFound, match="Source not found"):
            await check(parents={"s1": past})(order(source_id="s1"), metadata())
