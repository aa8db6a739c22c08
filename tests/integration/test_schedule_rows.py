"""What the log says about schedules, as the rows of the scheduler show it."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scheduler.main import SCHEDULES
from services.scheduler.queries import ScheduleQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.scheduler import (
    GetSchedule,
    Rule,
    ScheduleCancelled,
    ScheduleFired,
    ScheduleSet,
    ScheduleView,
)
from shared.kernel.errors import NotFound
from tests.bank.messages import NOW, metadata
from tests.integration.replay import ProjectionContract, replay

DAY = timedelta(days=1)
DAILY, CRON = Rule(every="daily"), Rule(cron="0 3 * * *", time_zone="Europe/Berlin")


class TestSchedules(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("scheduler")

    @pytest.fixture
    def model(self) -> ReadModel:
        return SCHEDULES

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (
            ScheduleSet(schedule_id="s1", rule=DAILY, as_of=1, next_at=NOW),
            ScheduleSet(schedule_id="s2", rule=DAILY, as_of=2, next_at=NOW),
            ScheduleFired(schedule_id="s1", rule=DAILY, slot=NOW, next_at=NOW + DAY),
            ScheduleSet(schedule_id="s2", rule=CRON, as_of=3, next_at=NOW + DAY),
            ScheduleSet(schedule_id="s3", rule=CRON, as_of=4, next_at=NOW),
            ScheduleCancelled(schedule_id="s2", as_of=5),
            ScheduleFired(schedule_id="s3", rule=CRON, slot=NOW, next_at=None),
        )

    async def test_tell_what_is_due_next_and_was_due_last(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries = ScheduleQueries(store)
        meta = metadata(tenant_id)

        async def get(schedule_id: str) -> ScheduleView:
            return await queries.get_schedule(GetSchedule(schedule_id=schedule_id), meta)

        first = ScheduleView(id="s1", rule=DAILY, next_at=NOW + DAY, last_slot=NOW)
        assert await get("s1") == first
        assert await get("s2") == ScheduleView(id="s2", rule=CRON, next_at=None, last_slot=None)
        assert await get("s3") == ScheduleView(id="s3", rule=CRON, next_at=None, last_slot=NOW)
        with pytest.raises(NotFound):
            await get("s4")
        assert [one async for one in queries.all_waiting()] == [(tenant_id, "s1", NOW + DAY)]
