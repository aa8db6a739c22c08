"""When a schedule is due, its source is ingested, if it still wants to be."""

from typing import Any

import pytest

from services.ingest.reactions.refresh import RefreshSource
from shared.contracts.ingest import SourceEvent, SourceUpdated
from shared.contracts.scheduler import Rule, ScheduleFired
from tests.unit.ingest.fakes import Aggregate
from tests.unit.ingest.samples import CREATED, DELETED, SETTINGS, ready, requested, started
from tests.unit.samples import T0, recorded

DAILY = SourceUpdated(
    source_id="s1",
    bot_profile_id="b1",
    settings=SETTINGS.model_copy(update={"refresh_schedule": "daily"}),
)


def changed(**changes: Any) -> SourceUpdated:
    settings = DAILY.settings.model_copy(update=changes)
    return SourceUpdated(source_id="s1", bot_profile_id="b1", settings=settings)


async def requests(*history: SourceEvent, rule: Rule | None = None) -> int:
    """How many runs begin when the schedule fires twice by one fact."""
    source = Aggregate([*history])
    fired = ScheduleFired(schedule_id="s1", rule=rule or Rule(every="daily"), slot=T0, next_at=T0)
    refresh = RefreshSource(source.execute, source.current)
    for _ in range(2):
        await refresh(recorded(fired))
    return source.names.count("ingestion_requested") - [e.name for e in history].count(
        "ingestion_requested"
    )


async def test_it_is_ingested_once_per_slot() -> None:
    assert await requests(CREATED, DAILY) == 1
    assert await requests(CREATED, DAILY, *ready()) == 1


async def test_one_that_is_being_processed_is_left_alone() -> None:
    assert await requests(CREATED, DAILY, requested()) == 0
    assert await requests(CREATED, DAILY, requested(), started()) == 0


@pytest.mark.parametrize(
    "history",
    [
        [],
        [CREATED],
        [CREATED, DAILY, DELETED],
        [CREATED, changed(is_active=False)],
        [CREATED, changed(refresh_schedule="weekly")],
        [CREATED, changed(refresh_schedule=None, refresh_cron="0 3 * * *")],
    ],
    ids=["never was", "has none", "deleted", "inactive", "weekly by now", "cron by now"],
)
async def test_one_that_does_not_want_it_any_more_is_left_alone(
    history: list[SourceEvent],
) -> None:
    assert await requests(*history) == 0


async def test_a_cron_expression_counts_as_what_it_says() -> None:
    cron = changed(refresh_schedule=None, refresh_cron="0 3 * * *")
    assert await requests(CREATED, cron, rule=Rule(cron="0 3 * * *")) == 1
    assert await requests(CREATED, cron, rule=Rule(cron="0 4 * * *")) == 0
