"""Questions about schedules, answered from rows."""

from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy import select, tuple_

from services.scheduler.tables import schedules
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.scheduler import GetSchedule, ScheduleView
from shared.kernel.errors import NotFound

AT_ONCE = 1000


class ScheduleQueries:
    """Reads the model `scheduler_schedules`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_schedule(self, question: GetSchedule, meta: Metadata) -> ScheduleView:
        """Raises `NotFound` for what never had one."""
        query = select(schedules).where(
            schedules.c.tenant_id == meta.tenant_id, schedules.c.id == question.schedule_id
        )
        async with self._store.reading(meta.tenant_id) as db:
            row = (await db.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound("Schedule not found")
        return ScheduleView.model_validate(dict(row))

    async def all_waiting(self) -> AsyncIterator[tuple[str, str, datetime]]:
        """Tenant, id and next time of every schedule that has one, of all tenants."""
        key = (schedules.c.tenant_id, schedules.c.id)
        after = ("", "")
        while True:
            query = (
                select(*key, schedules.c.next_at)
                .where(schedules.c.next_at.is_not(None), tuple_(*key) > after)
                .order_by(*key)
                .limit(AT_ONCE)
            )
            async with self._store.engine.connect() as db:
                rows = (await db.execute(query)).all()
            for tenant_id, schedule_id, next_at in rows:
                yield tenant_id, schedule_id, next_at
                after = (tenant_id, schedule_id)
            if len(rows) < AT_ONCE:
                return
