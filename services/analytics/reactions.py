"""What follows from usage for budgets."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import Protocol

from services.analytics.domain.budgets import period_start
from shared.contracts.analytics import BudgetView, NoteUsage, Period
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import QuestionAnswered, QuestionRefused
from shared.contracts.chat_playground import ResultRecorded, VerdictRecorded
from shared.kernel.errors import Unavailable

SHOWN_SECONDS = 30.0

Paid = QuestionAnswered | QuestionRefused | ResultRecorded | VerdictRecorded

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
AwaitShown = Callable[[int, float], Awaitable[int]]


class BudgetUsage(Protocol):
    async def concerned(self, tenant_id: str, bot_profile_id: str) -> Sequence[BudgetView]: ...

    async def used(self, budget: BudgetView, first: date, last: date) -> float: ...


class CheckBudgets:
    """Tells budgets what is used, once usage comes near one of their thresholds."""

    def __init__(self, execute: Execute, budgets: BudgetUsage, await_shown: AwaitShown) -> None:
        self._execute = execute
        self._budgets = budgets
        self._await_shown = await_shown

    async def __call__(self, recorded: Recorded[Paid]) -> None:
        """Raise `Unavailable` while the usage is not counted yet."""
        concerned = await self._budgets.concerned(recorded.tenant_id, recorded.event.bot_profile_id)
        if not concerned:
            return
        if await self._await_shown(recorded.sequence, SHOWN_SECONDS) < recorded.sequence:
            raise Unavailable("the usage is not counted yet")
        day = recorded.at.date()
        for budget in concerned:
            start = period_start(budget.period, day)
            used = await self._budgets.used(budget, start, period_end(budget.period, day))
            if used * 100 < budget.limit * min(budget.thresholds):
                continue
            command = NoteUsage(budget_id=budget.id, period_start=start, used=used)
            await self._execute(command, recorded.metadata, f"note usage of {budget.id}")


def period_end(period: Period, day: date) -> date:
    """The last day of the period that `day` is in."""
    if period == "day":
        return day
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
