"""Facts about runs with indexes of their own → rows that last as long as the runs."""

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import shadow_indexes
from shared.contracts.base import Event, Recorded
from shared.contracts.chat_playground import RunCancelled, RunEnded, RunStarted


async def apply(db: AsyncConnection, recorded: Recorded[Event]) -> None:
    mine = shadow_indexes.c
    match recorded.event:
        case RunStarted(run_id=run_id, plan=plan) if plan.indexes:
            row = {
                "tenant_id": recorded.tenant_id,
                "run_id": run_id,
                "bot_profile_id": plan.bot_profile_id,
                "settings": [one.model_dump() for one in plan.indexes],
            }
            await db.execute(insert(shadow_indexes).values(row))
        case RunEnded(run_id=run_id) | RunCancelled(run_id=run_id):
            its = (mine.tenant_id == recorded.tenant_id, mine.run_id == run_id)
            await db.execute(delete(shadow_indexes).where(*its))
        case _:
            pass
