"""Facts about schedules → rows."""

from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.tables import schedules
from shared.contracts.base import Event, Recorded
from shared.contracts.scheduler import ScheduleCancelled, ScheduleFired, ScheduleSet


class Schedules:
    """The list of schedules."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case ScheduleSet(schedule_id=schedule_id, rule=rule, next_at=next_at):
                row = {
                    "tenant_id": recorded.tenant_id,
                    "id": schedule_id,
                    "rule": rule.model_dump(),
                    "next_at": next_at,
                }
                await db.execute(
                    insert(schedules)
                    .values(row)
                    .on_conflict_do_update(index_elements=["tenant_id", "id"], set_=row)
                )
            case ScheduleCancelled():
                await _change(db, recorded, next_at=None)
            case ScheduleFired(slot=slot, next_at=next_at):
                await _change(db, recorded, next_at=next_at, last_slot=slot)
            case _:
                pass


async def _change(db: AsyncConnection, recorded: Recorded[Event], **values: Any) -> None:
    await db.execute(
        update(schedules)
        .where(
            schedules.c.tenant_id == recorded.tenant_id,
            schedules.c.id == recorded.event.aggregate_id,
        )
        .values(**values)
    )
