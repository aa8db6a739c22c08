"""Which budgets stop a bot, and what was used of them."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import BigInteger, cast, func, or_, select

from services.chat.domain.spending import Amount, Limit
from services.chat.tables import limits, spent
from shared.adapters.memo import Memo
from shared.adapters.read_model import ReadModelStore
from shared.contracts.analytics import BudgetCreated, BudgetDeleted, BudgetUpdated


class SpendingQueries:
    """Reads the model `chat_spending`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store
        self.memo = Memo(store, [BudgetCreated, BudgetUpdated, BudgetDeleted])

    async def limits(self, tenant_id: str, bot_profile_id: str) -> Sequence[Limit]:
        """The budgets with a hard stop that usage of this bot counts for."""

        async def read() -> Sequence[Limit]:
            return await self._limits(tenant_id, bot_profile_id)

        return await self.memo.of(tenant_id, bot_profile_id, read)

    async def _limits(self, tenant_id: str, bot_profile_id: str) -> Sequence[Limit]:
        query = (
            select(limits)
            .where(
                limits.c.tenant_id == tenant_id,
                or_(limits.c.bot_profile_id.is_(None), limits.c.bot_profile_id == bot_profile_id),
            )
            .order_by(limits.c.id)
        )
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query)).all()
        return [Limit(row.id, row.bot_profile_id, row.period, row.unit, row.amount) for row in rows]

    async def spent(self, tenant_id: str, limit: Limit, first: date, last: date) -> float:
        """What counts for a budget from one day to another, both included."""
        mine = spent.c
        sums = [
            cast(func.sum(mine[name]), BigInteger).label(name)
            for name in ("prompt_tokens", "completion_tokens")
        ]
        query = select(mine.model, *sums).where(
            mine.tenant_id == tenant_id, mine.day >= first, mine.day <= last
        )
        if limit.bot_profile_id is not None:
            query = query.where(mine.bot_profile_id == limit.bot_profile_id)
        async with self._store.reading(tenant_id) as db:
            rows = (await db.execute(query.group_by(mine.model))).all()
        return sum(
            Amount(row.model, row.prompt_tokens, row.completion_tokens).of(limit) for row in rows
        )
