"""No call to a provider without the money for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from weakref import WeakValueDictionary

from services.chat.domain.spending import Amount, Limit, exceeded
from services.chat.ports import ModelFailed, Spending

EXCEEDED = "budget-exceeded"
STATUS = 402
SHOWN_SECONDS = 30.0
"""How long an estimate stays reserved behind its turn, if what was used is not counted before."""

AwaitShown = Callable[[int, float], Awaitable[int]]


@dataclass
class Purse:
    """Admits turns while their budgets last.

    A turn that was admitted keeps its estimate reserved until what it really took is counted, so
    that many at once do not all spend the same rest. Each process knows its own reservations:
    budgets are overspent by no more than what the turns then running take beyond their estimates,
    and what other processes have reserved at that moment.
    """

    spending: Spending
    await_shown: AwaitShown
    _reserved: dict[str, tuple[str, str, Amount]] = field(default_factory=dict)
    """Tenant, bot and estimate, by turn."""
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def admit(
        self,
        tenant_id: str,
        bot_profile_id: str,
        turn_id: str,
        day: date,
        wanted: Callable[[], Awaitable[Amount]],
    ) -> None:
        """Reserve what the turn will take. Raise `ModelFailed` if a budget does not hold it."""
        limits = await self.spending.limits(tenant_id, bot_profile_id)
        if not limits:
            return
        amount = await wanted()
        async with self._locks.setdefault(tenant_id, asyncio.Lock()):
            for limit in limits:
                # In this order: what is counted in between is then reserved and used, not neither.
                reserved = self._reserved_of(tenant_id, limit, turn_id)
                used = await self.spending.spent(tenant_id, limit, limit.first_day(day), day)
                if exceeded(limit, used, reserved, amount.of(limit)):
                    raise refused(limit, day)
            self._reserved[turn_id] = (tenant_id, bot_profile_id, amount)

    async def settle(self, turn_id: str, position: int | None) -> None:
        """The turn has ended, with the event at this position if it took anything."""
        if turn_id not in self._reserved:
            return
        try:
            if position is not None:
                await self.await_shown(position, SHOWN_SECONDS)
        finally:
            self._reserved.pop(turn_id, None)

    def _reserved_of(self, tenant_id: str, limit: Limit, turn_id: str) -> float:
        return sum(
            amount.of(limit)
            for turn, (tenant, bot, amount) in self._reserved.items()
            if tenant == tenant_id and limit.bot_profile_id in (None, bot) and turn != turn_id
        )


def refused(limit: Limit, day: date) -> ModelFailed:
    """In words that are fit for a visitor: when, and not how much."""
    whose = "" if limit.bot_profile_id is None else " of this bot"
    detail = f"The budget{whose} is used up until {limit.next_day(day).isoformat()} (UTC)."
    return ModelFailed(EXCEEDED, detail, retryable=False, status=STATUS)
