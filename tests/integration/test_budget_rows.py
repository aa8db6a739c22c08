"""What the log says about budgets, as the rows of analytics show it."""

from collections.abc import Callable, Sequence
from datetime import date

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.analytics.main import BUDGETS
from services.analytics.queries.budgets import BudgetQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.analytics import (
    BudgetCreated,
    BudgetDeleted,
    BudgetSettings,
    BudgetUpdated,
    ThresholdReached,
)
from shared.contracts.base import Event, Recorded
from tests.integration.replay import ProjectionContract, replay


def made(budget_id: str, bot: str | None = None) -> BudgetCreated:
    return BudgetCreated(
        budget_id=budget_id, settings=BudgetSettings(name=budget_id, limit=5, bot_profile_id=bot)
    )


class TestBudgets(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("analytics")

    @pytest.fixture
    def model(self) -> ReadModel:
        return BUDGETS

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        changed = BudgetSettings(name="changed", limit=9, unit="tokens", thresholds=(50,))
        return (
            made("a"),
            made("b", "b1"),
            made("gone"),
            BudgetUpdated(budget_id="a", settings=changed),
            ThresholdReached(
                budget_id="a",
                bot_profile_id=None,
                period="month",
                period_start=date(2026, 11, 1),
                threshold=50,
                used=5,
                limit=9,
                unit="tokens",
            ),
            BudgetDeleted(budget_id="gone"),
        )

    async def test_tells_which_budgets_a_bot_counts_for(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        await replay(store, past)
        queries = BudgetQueries(store, store)
        found = await queries.concerned(tenant_id, "b1")
        assert {(one.id, one.limit, one.unit, one.thresholds) for one in found} == {
            ("a", 9, "tokens", (50,)),
            ("b", 5, "usd", (80, 100)),
        }
        assert [one.id for one in await queries.concerned(tenant_id, "b2")] == ["a"]
        assert await queries.concerned(other_tenant_id, "b1") == []
