"""What may happen to a budget: each threshold is told once a period."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from services.analytics.domain.budgets import BudgetState, budget_decider, period_start
from services.analytics.handlers import CheckBot
from services.analytics.reactions import CheckBudgets, period_end
from shared.contracts.analytics import (
    BudgetCommand,
    BudgetCreated,
    BudgetDeleted,
    BudgetEvent,
    BudgetSettings,
    BudgetUpdated,
    BudgetView,
    CreateBudget,
    DeleteBudget,
    NoteUsage,
    ThresholdReached,
    UpdateBudget,
)
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.chat import QuestionAnswered, Timings, Usage
from shared.kernel.errors import InvalidCommand, NotFound, Unavailable
from shared.kernel.testing import Scenario
from tests.unit.histories import play
from tests.unit.samples import T0, TENANT, recorded

BudgetScenario = Scenario[BudgetState, BudgetCommand, BudgetEvent]
SETTINGS = BudgetSettings(limit=10)
CREATED = BudgetCreated(budget_id="g1", settings=SETTINGS)
JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


def settings(**fields: Any) -> BudgetSettings:
    return BudgetSettings.model_validate({**SETTINGS.model_dump(), **fields})


def note(used: float, start: date = JANUARY) -> NoteUsage:
    return NoteUsage(budget_id="g1", period_start=start, used=used)


def reached(threshold: int, used: float, start: date = JANUARY) -> ThresholdReached:
    return ThresholdReached(
        budget_id="g1",
        bot_profile_id=None,
        period="month",
        period_start=start,
        threshold=threshold,
        used=used,
        limit=10,
        unit="usd",
    )


@pytest.fixture
def budget(metadata: Metadata) -> BudgetScenario:
    return Scenario(budget_decider, metadata)


class TestSettings:
    def test_thresholds_are_put_in_order(self, budget: BudgetScenario) -> None:
        command = CreateBudget(budget_id="g1", settings=settings(thresholds=(100, 50, 100)))
        expected = BudgetCreated(budget_id="g1", settings=settings(thresholds=(50, 100)))
        budget.given().when(command).then(expected)

    @pytest.mark.parametrize("thresholds", [(), (0,), (1001,), tuple(range(1, 12))])
    def test_thresholds_that_mean_nothing_are_refused(
        self, budget: BudgetScenario, thresholds: tuple[int, ...]
    ) -> None:
        command = CreateBudget(budget_id="g1", settings=settings(thresholds=thresholds))
        budget.given().when(command).then_refused(InvalidCommand)

    def test_change_field_by_field(self, budget: BudgetScenario) -> None:
        command = UpdateBudget(budget_id="g1", changes={"limit": 20})
        budget.given(CREATED).when(command).then(
            BudgetUpdated(budget_id="g1", settings=settings(limit=20))
        )
        budget.given(CREATED).when(UpdateBudget(budget_id="g1", changes={})).then_nothing()
        wrong = UpdateBudget(budget_id="g1", changes={"limit": -1})
        budget.given(CREATED).when(wrong).then_refused(InvalidCommand, "limit")

    @pytest.mark.parametrize(
        "command", [UpdateBudget(budget_id="g1", changes={}), DeleteBudget(budget_id="g1")]
    )
    def test_of_one_that_is_gone_do_not_change(
        self, budget: BudgetScenario, command: BudgetCommand
    ) -> None:
        budget.given().when(command).then_refused(NotFound)
        gone = BudgetDeleted(budget_id="g1")
        budget.given(CREATED, gone).when(command).then_refused(NotFound)


class TestUsage:
    @pytest.mark.parametrize(
        ("used", "thresholds"), [(7.99, []), (8, [80]), (9.99, [80]), (10, [80, 100])]
    )
    def test_tells_every_threshold_it_reaches(
        self, budget: BudgetScenario, used: float, thresholds: list[int]
    ) -> None:
        told = [reached(threshold, used) for threshold in thresholds]
        budget.given(CREATED).when(note(used)).then(*told)

    def test_tells_each_once_a_period(self, budget: BudgetScenario) -> None:
        budget.given(CREATED, reached(80, 8)).when(note(9)).then_nothing()
        budget.given(CREATED, reached(80, 8)).when(note(11)).then(reached(100, 11))
        budget.given(CREATED, reached(80, 8)).when(note(9, FEBRUARY)).then(reached(80, 9, FEBRUARY))

    def test_of_a_period_that_is_over_is_no_news(self, budget: BudgetScenario) -> None:
        budget.given(CREATED, reached(80, 8, FEBRUARY)).when(note(99)).then_nothing()

    def test_is_told_anew_when_the_limit_changes_and_not_when_the_name_does(
        self, budget: BudgetScenario
    ) -> None:
        named = BudgetUpdated(budget_id="g1", settings=settings(name="Ours"))
        budget.given(CREATED, reached(80, 8), named).when(note(9)).then_nothing()
        halved = BudgetUpdated(budget_id="g1", settings=settings(limit=5, thresholds=(80,)))
        expected = reached(80, 9).model_copy(update={"limit": 5})
        budget.given(CREATED, reached(80, 8), halved).when(note(9)).then(expected)

    def test_of_one_that_is_gone_is_no_news(self, budget: BudgetScenario) -> None:
        budget.given().when(note(99)).then_nothing()
        budget.given(CREATED, BudgetDeleted(budget_id="g1")).when(note(99)).then_nothing()


@given(used=st.lists(st.floats(0, 30), max_size=30))
def test_however_usage_comes_in_no_threshold_is_told_twice(used: list[float]) -> None:
    create = CreateBudget(budget_id="g1", settings=SETTINGS)
    orders: list[BudgetCommand] = [create, *(note(one) for one in used)]
    _, happened = play(budget_decider, orders)
    told = [event.threshold for event in happened if isinstance(event, ThresholdReached)]
    assert len(told) == len(set(told))
    assert set(told) == {one for one in (80, 100) if used and max(used) * 10 >= one}


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        (date(2026, 2, 14), date(2026, 2, 1), date(2026, 2, 28)),
        (date(2028, 2, 29), date(2028, 2, 1), date(2028, 2, 29)),
        (date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_month_is_one_of_the_calendar(day: date, first: date, last: date) -> None:
    assert (period_start("month", day), period_end("month", day)) == (first, last)
    assert period_start("day", day) == period_end("day", day) == day


def view(**fields: Any) -> BudgetView:
    return BudgetView.model_validate(
        {
            **SETTINGS.model_dump(),
            "id": "g1",
            "tenant_id": TENANT,
            "created_at": T0,
            "updated_at": T0,
            **fields,
        }
    )


class World:
    """Budgets with a usage, and what they were told."""

    def __init__(self, used: float, *budgets: BudgetView, behind: int = 0) -> None:
        self._used, self._budgets, self._behind = used, budgets, behind
        self.told: list[Command] = []
        self.asked: list[tuple[date, date]] = []

    async def concerned(self, _tenant_id: str, _bot_profile_id: str) -> tuple[BudgetView, ...]:
        return self._budgets

    async def used(self, _budget: BudgetView, first: date, last: date) -> float:
        self.asked.append((first, last))
        return self._used

    async def execute(self, command: Command, _cause: Metadata, _purpose: str) -> Done:
        self.told.append(command)
        return Done(position=1)

    async def shown(self, position: int, _seconds: float) -> int:
        return position - self._behind

    async def check(self) -> None:
        event = QuestionAnswered(
            chat_id="c",
            turn_id="t",
            bot_profile_id="b",
            message_id="m",
            answer="",
            grounded=True,
            citations=(),
            usage=Usage(model="x"),
            timings=Timings(),
        )
        await CheckBudgets(self.execute, self, self.shown)(recorded(event))


async def test_usage_near_a_threshold_is_told_to_the_budget() -> None:
    world = World(8, view())
    await world.check()
    start = T0.date().replace(day=1)
    assert world.told == [NoteUsage(budget_id="g1", period_start=start, used=8)]
    assert world.asked == [(start, T0.date().replace(day=1) + timedelta(days=30))]


async def test_usage_below_every_threshold_is_told_to_nobody() -> None:
    world = World(7.9, view())
    await world.check()
    assert world.told == []


async def test_usage_that_is_not_counted_yet_is_waited_for() -> None:
    world = World(99, view(), behind=1)
    with pytest.raises(Unavailable):
        await world.check()
    await World(99, behind=1).check()


@pytest.mark.parametrize("known", [True, False])
async def test_a_budget_is_of_a_bot_that_is_there(metadata: Metadata, known: bool) -> None:
    async def last_sequence(_tenant: str, _aggregate: str, _id: str) -> int:
        return int(known)

    check = CheckBot(last_sequence)
    of_bot = {"bot_profile_id": "b1"}
    commands = (
        CreateBudget(budget_id="g1", settings=settings(**of_bot)),
        UpdateBudget(budget_id="g1", changes=of_bot),
    )
    for command in commands:
        if known:
            await check(command, metadata)
            continue
        with pytest.raises(InvalidCommand, match="Bot profile not found"):
            await check(command, metadata)
    await check(CreateBudget(budget_id="g1", settings=SETTINGS), metadata)
    await check(UpdateBudget(budget_id="g1", changes={"bot_profile_id": None}), metadata)
