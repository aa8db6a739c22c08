"""Budgets that stop: no provider is asked for what they do not hold."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import pytest
from typing_extensions import override

from services.chat.domain.spending import (
    ANSWER_TOKENS,
    CONTEXT_TOKENS,
    Amount,
    Limit,
    estimate,
    exceeded,
)
from services.chat.ports import ModelFailed, Spending
from services.chat.reactions.spending import EXCEEDED, Purse
from tests.unit.samples import TENANT

TOKENS = Limit("g1", None, "month", "tokens", 1000)
MONEY = Limit("g2", "b1", "day", "usd", 1)
DAY = date(2026, 1, 31)
HUNDRED = Amount("gpt-4o", 60, 40)


@dataclass
class Counted(Spending):
    """What is counted so far, whichever the budget."""

    given: Sequence[Limit] = (TOKENS,)
    used: float = 0
    asked: list[tuple[date, date]] = field(default_factory=list)

    @override
    async def limits(self, tenant_id: str, bot_profile_id: str) -> Sequence[Limit]:
        return [one for one in self.given if one.bot_profile_id in (None, bot_profile_id)]

    @override
    async def spent(self, tenant_id: str, limit: Limit, first: date, last: date) -> float:
        await asyncio.sleep(0)
        self.asked.append((first, last))
        return self.used


async def nothing(_position: int, _seconds: float) -> int:
    return 0


async def hundred() -> Amount:
    return HUNDRED


async def admitted(purse: Purse, turn: str, bot: str = "b1", tenant: str = TENANT) -> bool:
    try:
        await purse.admit(tenant, bot, turn, DAY, hundred)
    except ModelFailed:
        return False
    return True


class TestALimit:
    @pytest.mark.parametrize(
        ("period", "day", "first", "following"),
        [
            ("day", DAY, DAY, date(2026, 2, 1)),
            ("month", DAY, date(2026, 1, 1), date(2026, 2, 1)),
            ("month", date(2026, 12, 9), date(2026, 12, 1), date(2027, 1, 1)),
        ],
    )
    def test_begins_anew_with_its_period(
        self, period: str, day: date, first: date, following: date
    ) -> None:
        limit = Limit("g", None, "day" if period == "day" else "month", "usd", 1)
        assert (limit.first_day(day), limit.next_day(day)) == (first, following)

    @pytest.mark.parametrize(
        ("used", "reserved", "wanted", "stops"),
        [(800, 0, 100, False), (900, 0, 100, True), (700, 200, 100, True), (5000, 0, 0, False)],
    )
    def test_stops_what_would_reach_it_unless_that_is_free(
        self, used: float, reserved: float, wanted: float, stops: bool
    ) -> None:
        assert exceeded(TOKENS, used, reserved, wanted) is stops

    def test_counts_in_its_unit(self) -> None:
        assert HUNDRED.of(TOKENS) == 100
        assert HUNDRED.of(MONEY) == 0.00055
        assert Amount("local/extractive", 10, 10).of(MONEY) == 0

    def test_is_asked_for_what_a_turn_takes_as_a_rule(self) -> None:
        assert estimate("m", 400, 8000) == Amount("m", 100 + CONTEXT_TOKENS, ANSWER_TOKENS)
        assert estimate("m", 0, 20) == Amount("m", CONTEXT_TOKENS, 20)


class TestAPurse:
    async def test_admits_what_its_budgets_hold(self) -> None:
        spending = Counted(used=899)
        assert await admitted(Purse(spending, nothing), "t1")
        assert spending.asked == [(date(2026, 1, 1), DAY)]

    async def test_tells_when_it_begins_anew_and_not_how_much_it_is(self) -> None:
        with pytest.raises(ModelFailed) as failed:
            await Purse(Counted(used=900), nothing).admit(TENANT, "b1", "t1", DAY, hundred)
        failure = failed.value
        assert (failure.code, failure.status, failure.retryable) == (EXCEEDED, 402, False)
        assert failure.detail == "The budget is used up until 2026-02-01 (UTC)."
        money = Purse(Counted((MONEY,), used=1), nothing)
        with pytest.raises(ModelFailed, match="of this bot is used up until 2026-02-01"):
            await money.admit(TENANT, "b1", "t1", DAY, hundred)

    async def test_asks_nothing_for_a_bot_without_budgets(self) -> None:
        spending = Counted((MONEY,), used=1)
        assert await admitted(Purse(spending, nothing), "t1", bot="b2")
        assert spending.asked == []

    async def test_lets_many_at_once_spend_the_rest_but_once(self) -> None:
        purse = Purse(Counted(used=550), nothing)
        found = await asyncio.gather(*(admitted(purse, f"t{n}") for n in range(20)))
        assert sum(found) == 4

    async def test_keeps_tenants_apart(self) -> None:
        purse = Purse(Counted(used=800), nothing)
        assert await admitted(purse, "t1")
        assert not await admitted(purse, "t2")
        assert await admitted(purse, "t3", tenant="another")

    async def test_reserves_until_what_was_used_is_counted(self) -> None:
        spending = Counted(used=800)
        seen: list[bool] = []

        async def shown(position: int, _seconds: float) -> int:
            seen.append(await admitted(purse, "t2"))
            spending.used = 850
            return position

        purse = Purse(spending, shown)
        assert await admitted(purse, "t1")
        await purse.settle("t1", 7)
        assert seen == [False]
        assert await admitted(purse, "t3")

    async def test_gives_back_at_once_what_was_not_used(self) -> None:
        purse = Purse(Counted(used=800), nothing)
        assert await admitted(purse, "t1")
        await purse.settle("t1", None)
        assert await admitted(purse, "t2")

    async def test_counts_another_attempt_of_a_turn_once(self) -> None:
        purse = Purse(Counted(used=800), nothing)
        assert await admitted(purse, "t1")
        assert await admitted(purse, "t1")
