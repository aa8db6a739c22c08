"""Facts about budgets → rows."""

from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.analytics.tables import budgets
from shared.contracts.analytics import (
    BudgetCreated,
    BudgetDeleted,
    BudgetSettings,
    BudgetUpdated,
)
from shared.contracts.base import Event, Recorded


class Budgets:
    """The list of budgets. A deleted one is gone."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        this = (
            budgets.c.tenant_id == recorded.tenant_id,
            budgets.c.id == recorded.event.aggregate_id,
        )
        match recorded.event:
            case BudgetCreated(budget_id=budget_id, settings=settings):
                row = {
                    "tenant_id": recorded.tenant_id,
                    "id": budget_id,
                    "position": recorded.sequence,
                    "created_at": recorded.at,
                    "updated_at": recorded.at,
                    **_settings(settings),
                }
                await db.execute(insert(budgets).values(row))
            case BudgetUpdated(settings=settings):
                changes = {**_settings(settings), "updated_at": recorded.at}
                await db.execute(update(budgets).where(*this).values(changes))
            case BudgetDeleted():
                await db.execute(delete(budgets).where(*this))
            case _:
                pass


def _settings(settings: BudgetSettings) -> dict[str, Any]:
    return {**settings.model_dump(), "thresholds": list(settings.thresholds)}
