"""What chat knows of budgets that stop, and of what was used."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.chat.domain.spending import Limit
from services.chat.main import SPENDING
from services.chat.queries.spending import SpendingQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.analytics import BudgetCreated, BudgetDeleted, BudgetSettings, BudgetUpdated
from shared.contracts.base import Event, Recorded
from tests.integration.replay import ProjectionContract, replay
from tests.unit.chat.samples import answered, refused


def settings(limit: float, **fields: object) -> BudgetSettings:
    return BudgetSettings.model_validate({"limit": limit, "hard_stop": True, **fields})


class TestSpending(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("chat")

    @pytest.fixture
    def model(self) -> ReadModel:
        return SPENDING

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (
            BudgetCreated(budget_id="all", settings=settings(5)),
            BudgetCreated(budget_id="bot", settings=settings(9, bot_profile_id="b1")),
            BudgetCreated(budget_id="soft", settings=BudgetSettings(limit=1)),
            BudgetCreated(budget_id="gone", settings=settings(1)),
            answered("t1"),
            answered("t2"),
            refused("t3"),
            BudgetUpdated(budget_id="all", settings=settings(7, unit="tokens", period="day")),
            BudgetUpdated(budget_id="soft", settings=settings(2, bot_profile_id="b2")),
            BudgetDeleted(budget_id="gone"),
        )

    async def test_tells_what_stops_a_bot_and_what_was_used_of_it(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        await replay(store, past)
        queries = SpendingQueries(store)
        tokens = Limit("all", None, "day", "tokens", 7)
        dollars = Limit("bot", "b1", "month", "usd", 9)
        soft = Limit("soft", "b2", "month", "usd", 2)
        assert await queries.limits(tenant_id, "b1") == [tokens, dollars]
        assert await queries.limits(tenant_id, "b2") == [tokens, soft]
        assert await queries.limits(other_tenant_id, "b1") == []
        day = past[-1].at.date()
        assert await queries.spent(tenant_id, tokens, day, day) == 240
        assert await queries.spent(tenant_id, dollars, day, day) == 0.000054
        assert await queries.spent(tenant_id, soft, day, day) == 0
        assert await queries.spent(other_tenant_id, tokens, day, day) == 0
        before = day - timedelta(days=1)
        assert await queries.spent(tenant_id, tokens, before, before) == 0
