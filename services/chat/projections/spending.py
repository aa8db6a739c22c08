"""Facts about budgets and answers → what stops, and what was used by day, bot and model."""

from collections.abc import Iterator, Sequence
from functools import cache

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.tables import limits, spent
from shared.adapters.bulk import bring_in, many, parameter
from shared.contracts.analytics import BudgetCreated, BudgetDeleted, BudgetSettings, BudgetUpdated
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import QuestionAnswered, QuestionRefused, Usage
from shared.contracts.chat_playground import ResultRecorded, VerdictRecorded

KEY = ("tenant_id", "day", "bot_profile_id", "model")
COUNTS = ("prompt_tokens", "completion_tokens")
Counts = dict[tuple[str, str, str, str], tuple[int, int]]
"""Tokens of prompts and of answers, by `KEY`."""


class SpendingRows:
    """Budgets without a hard stop are left out."""

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """What was used is added up, and brought in by one statement."""
        used: Counts = {}
        for recorded in records:
            for bot, usage in _usages(recorded.event):
                _count(used, recorded, bot, usage)
            await self._budget(db, recorded)
        if used:
            rows = [
                dict(zip((*KEY, *COUNTS), (*key, *counts), strict=True))
                for key, counts in sorted(used.items())
            ]
            await bring_in(db, _counting(), {parameter(spent): rows})

    async def _budget(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
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


def _usages(event: Event) -> Iterator[tuple[str, Usage]]:
    match event:
        case (
            QuestionAnswered(bot_profile_id=bot, usage=usage)
            | QuestionRefused(bot_profile_id=bot, usage=usage)
            | VerdictRecorded(bot_profile_id=bot, usage=usage)
        ):
            yield bot, usage
        case ResultRecorded(bot_profile_id=bot, usage=usage, rating_usage=rating):
            yield bot, usage
            if rating is not None:
                yield bot, rating
        case _:
            pass


def _count(used: Counts, recorded: Recorded[Event], bot: str, usage: Usage) -> None:
    if not usage.total_tokens:
        return
    key = (recorded.tenant_id, recorded.at.date().isoformat(), bot, usage.model)
    prompt, completion = used.get(key, (0, 0))
    used[key] = (prompt + usage.prompt_tokens, completion + usage.completion_tokens)


@cache
def _counting() -> Insert:
    statement = many(spent, (*KEY, *COUNTS))
    return statement.on_conflict_do_update(
        index_elements=list(KEY),
        set_={name: spent.c[name] + statement.excluded[name] for name in COUNTS},
    )
