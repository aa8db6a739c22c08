"""Budgets that stop: what a turn will take, and whether that is still to be had."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from services.chat.domain.tokens import estimated
from shared.kernel.prices import cost

CONTEXT_TOKENS = 700
"""What the passages of a prompt take, as a rule; they are not known before they are paid for."""
ANSWER_TOKENS = 500
"""What an answer takes, as a rule, unless the bot allows less."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget that stops."""

    id: str
    bot_profile_id: str | None
    """Whose usage counts; None: all of the tenant's."""
    period: Literal["day", "month"]
    unit: Literal["tokens", "usd"]
    amount: float

    def first_day(self, day: date) -> date:
        """Of the period that `day` is in, in UTC as all of them."""
        return day if self.period == "day" else day.replace(day=1)

    def next_day(self, day: date) -> date:
        """The first of the period behind the one that `day` is in."""
        if self.period == "day":
            return day + timedelta(days=1)
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Amount:
    """What a turn takes, of one model."""

    model: str
    prompt_tokens: int
    completion_tokens: int

    def of(self, limit: Limit) -> float:
        """In the unit of a budget."""
        if limit.unit == "tokens":
            return float(self.prompt_tokens + self.completion_tokens)
        return cost(self.model, self.prompt_tokens, self.completion_tokens)


def estimate(model: str, characters: int, max_tokens: int) -> Amount:
    """Of a turn whose instructions, conversation and question have so many characters."""
    return Amount(model, estimated(characters) + CONTEXT_TOKENS, min(max_tokens, ANSWER_TOKENS))


def exceeded(limit: Limit, used: float, reserved: float, wanted: float) -> bool:
    """Whether a turn that wants so much must not begin. What costs nothing may always."""
    return wanted > 0 and used + reserved + wanted >= limit.amount
