"""Questions about budgets, and how much of each is used."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, RowMapping, Select, cast, func, literal, or_, select

from services.analytics.domain.budgets import period_start
from services.analytics.tables import budgets, usage
from shared.adapters.memo import Memo
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.analytics import BudgetView, BudgetViews, GetBudget, ListBudgets
from shared.contracts.base import Metadata
from shared.kernel.errors import NotFound
from shared.kernel.prices import cost

EPOCH_DAY = 719_163
"""Ordinal of 1970-01-01."""
ROW_BYTES = 1500


class BudgetQueries:
    """Reads the models `analytics_budgets` and `analytics_rollups`."""

    def __init__(self, store: ReadModelStore, rollups: ReadModelStore) -> None:
        self._store = store
        self._rollups = rollups
        self.memo = Memo(store)

    async def get_budget(self, question: GetBudget, meta: Metadata) -> BudgetView:
        """With what is used in the period that runs now. Raises `NotFound`."""
        query = _mine(meta.tenant_id).where(budgets.c.id == question.budget_id)
        rows = await self._rows(meta.tenant_id, query)
        if not rows:
            raise NotFound("Budget not found")
        return await self._with_usage(_view(rows[0]), meta)

    async def list_budgets(self, question: ListBudgets, meta: Metadata) -> BudgetViews:
        query = _mine(meta.tenant_id)
        page = page_of(
            query,
            (budgets.c.position, budgets.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=literal(ROW_BYTES),
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        views = [await self._with_usage(_view(row), meta) for row in rows]
        items, following = cut(rows, views)
        return BudgetViews(items=items, following=following, total=total)

    async def concerned(self, tenant_id: str, bot_profile_id: str) -> Sequence[BudgetView]:
        """The budgets that usage of this bot counts for."""
        mine = or_(budgets.c.bot_profile_id.is_(None), budgets.c.bot_profile_id == bot_profile_id)

        async def read() -> Sequence[BudgetView]:
            return [_view(row) for row in await self._rows(tenant_id, _mine(tenant_id).where(mine))]

        return await self.memo.of(tenant_id, bot_profile_id, read)

    async def used(self, budget: BudgetView, first: date, last: date) -> float:
        """What counts for a budget from one day to another, both included."""
        sums = [
            cast(func.sum(usage.c[name]), BigInteger).label(name)
            for name in ("prompt_tokens", "completion_tokens")
        ]
        query = select(usage.c.model, *sums).where(
            usage.c.tenant_id == budget.tenant_id,
            usage.c.day >= first.toordinal() - EPOCH_DAY,
            usage.c.day <= last.toordinal() - EPOCH_DAY,
        )
        if budget.bot_profile_id is not None:
            query = query.where(usage.c.bot_profile_id == budget.bot_profile_id)
        async with self._rollups.reading(budget.tenant_id) as db:
            rows = (await db.execute(query.group_by(usage.c.model))).mappings().all()
        if budget.unit == "tokens":
            return float(sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows))
        return sum(
            cost(row["model"], row["prompt_tokens"], row["completion_tokens"]) for row in rows
        )

    async def _with_usage(self, budget: BudgetView, meta: Metadata) -> BudgetView:
        today = meta.now.date()
        used = await self.used(budget, period_start(budget.period, today), today)
        return budget.model_copy(update={"used": used})

    async def _rows(self, tenant_id: str, query: Select[Any]) -> Sequence[RowMapping]:
        async with self._store.reading(tenant_id) as db:
            found: Sequence[RowMapping] = (await db.execute(query)).mappings().all()
        return found


def _mine(tenant_id: str) -> Select[Any]:
    return select(budgets).where(budgets.c.tenant_id == tenant_id)


def _view(row: RowMapping) -> BudgetView:
    return BudgetView.model_validate(dict(row))
