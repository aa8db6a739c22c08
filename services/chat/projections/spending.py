"""Facts about budgets and answers → what stops, and what was used by day, bot and model."""

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import limits, spent
from shared.contracts.analytics import BudgetCreated, BudgetDeleted, BudgetSettings, BudgetUpdated
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import QuestionAnswered, QuestionRefused, Usage
from shared.contracts.chat_playground import ResultRecorded, VerdictRecorded


class SpendingRows:
    """Budgets without a hard stop are left out."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        match recorded.event:
            case (
                BudgetCreated(budget_id=budget_id, settings=settings)
                | BudgetUpdated(budget_id=budget_id, settings=settings)
            ):
                await _forget(db, recorded.tenant_id, budget_id)
                if settings.hard_stop:
                    await _keep(db, recorded.tenant_id, budget_id, settings)
            case BudgetDeleted(budget_id=budget_id):
                await _forget(db, recorded.tenant_id, budget_id)
            case (
                QuestionAnswered(bot_profile_id=bot, usage=usage)
                | QuestionRefused(bot_profile_id=bot, usage=usage)
                | VerdictRecorded(bot_profile_id=bot, usage=usage)
            ):
                await _count(db, recorded, bot, usage)
            case ResultRecorded(bot_profile_id=bot, usage=usage, rating_usage=rating):
                await _count(db, recorded, bot, usage)
                if rating is not None:
                    await _count(db, recorded, bot, rating)
            case _:
                pass


async def _forget(db: AsyncConnection, tenant_id: str, budget_id: str) -> None:
    await db.execute(
        delete(limits).where(limits.c.tenant_id == tenant_id, limits.c.id == budget_id)
    )


async def _keep(
    db: AsyncConnection, tenant_id: str, budget_id: str, settings: BudgetSettings
) -> None:
    row = {
        "tenant_id": tenant_id,
        "id": budget_id,
        "bot_profile_id": settings.bot_profile_id,
        "period": settings.period,
        "unit": settings.unit,
        "amount": settings.limit,
    }
    await db.execute(insert(limits).values(row).on_conflict_do_nothing())


async def _count(db: AsyncConnection, recorded: Recorded[Event], bot: str, usage: Usage) -> None:
    if not usage.total_tokens:
        return
    counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    key = {
        "tenant_id": recorded.tenant_id,
        "day": recorded.at.date(),
        "bot_profile_id": bot,
        "model": usage.model,
    }
    statement = insert(spent).values({**key, **counts})
    await db.execute(
        statement.on_conflict_do_update(
            index_elements=list(key),
            set_={name: spent.c[name] + statement.excluded[name] for name in counts},
        )
    )
