"""Messages of analytics: what was used, what it cost, what readers thought of it, and budgets."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import (
    Command,
    Event,
    Keyed,
    Message,
    Page,
    PagedQuestion,
    Question,
)

Days = int | None
"""The last so many days, today included; None: all."""
TimeZone = str
"""By its IANA name: where the days begin."""
Stage = Literal["retrieval", "first_token", "total"]


class Price(Message):
    """US dollars for a million tokens."""

    prompt_cost_per_1m: float
    completion_cost_per_1m: float


class Pricing(Message):
    models: dict[str, Price]
    default: Price
    """Of a model that is not listed."""


class GetPricing(Question[Pricing]):
    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "get_pricing"


class Overview(Message):
    """Everything there ever was, what is deleted included."""

    bot_profiles: int = 0
    sources: int = 0
    chats: int = 0
    total_prompt_tokens: int = 0
    total_completion_tokens: int = 0
    total_tokens: int = 0


class GetOverview(Question[Overview]):
    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "get_overview"


class DayUsage(Message):
    date: date
    model: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    request_count: int


class DayUsages(Page):
    items: tuple[DayUsage, ...]


class ListUsage(PagedQuestion[DayUsages]):
    """Usage by day and model, newest day first."""

    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "list_usage"
    days: Days = None
    time_zone: TimeZone = "UTC"


class ModelUsage(Message):
    model: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    request_count: int
    cost_usd: float
    prompt_cost_per_1m: float
    completion_cost_per_1m: float
    price_known: bool = True
    """False: nobody has a price of this model, and it is counted at the default."""


class BotUsage(Message):
    bot_profile_id: str
    bot_name: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    request_count: int
    cost_usd: float


class Costs(Message):
    """What the usage of some days cost, largest first."""

    total_cost_usd: float
    daily_avg_cost_usd: float
    """Of the days on which there was any usage."""
    projected_monthly_usd: float
    """Thirty such days."""
    active_days: int
    by_model: tuple[ModelUsage, ...]
    by_bot: tuple[BotUsage, ...]
    """The first thousand pairs of bot and model."""


class GetCosts(Question[Costs]):
    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "get_costs"
    days: Days = None
    time_zone: TimeZone = "UTC"


class BotFeedback(Message):
    bot_profile_id: str
    bot_name: str
    positive_count: int
    negative_count: int
    total_messages: int
    feedback_rate: float


class FeedbackSummary(Message):
    total_messages: int
    """Answers, refusals included."""
    total_with_feedback: int
    positive_count: int
    negative_count: int
    feedback_rate: float
    """Percent of the answers that have feedback."""
    by_bot: tuple[BotFeedback, ...]


class GetFeedback(Question[FeedbackSummary]):
    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "get_feedback"
    bot_profile_id: str | None = None
    days: Days = 30
    time_zone: TimeZone = "UTC"


class DayFeedback(Message):
    date: date
    positive_count: int
    negative_count: int
    total_messages: int


class FeedbackTrend(Message):
    """Oldest day first; feedback counts for the day of its answer."""

    items: tuple[DayFeedback, ...]


class GetFeedbackTrend(Question[FeedbackTrend]):
    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "get_feedback_trend"
    bot_profile_id: str | None = None
    days: Days = 30
    time_zone: TimeZone = "UTC"


class Percentiles(Message):
    """Milliseconds, each at most a tenth too high."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float


class Latency(Message):
    stages: dict[Stage, Percentiles]
    """Stages that were never measured are absent."""


class GetLatency(Question[Latency]):
    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "get_latency"
    bot_profile_id: str | None = None
    days: Days = 30
    time_zone: TimeZone = "UTC"


class WorstSource(Message):
    source_id: str
    source_name: str
    cited_count: int
    positive_count: int
    negative_count: int


class WorstSources(Message):
    items: tuple[WorstSource, ...]


class GetWorstSources(Question[WorstSources]):
    """Sources whose citing answers were disliked most, worst first."""

    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "get_worst_sources"
    limit: int = Field(default=20, ge=0, le=100)


class UnansweredQuestion(Message):
    turn_id: str
    chat_id: str
    message_id: str
    bot_profile_id: str
    question: str
    reason: str
    best_score: float
    asked_at: datetime


class UnansweredQuestions(Page):
    items: tuple[UnansweredQuestion, ...]


class ListUnanswered(PagedQuestion[UnansweredQuestions]):
    """Questions that no source held an answer to, newest first."""

    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "list_unanswered"
    bot_profile_id: str | None = None


Period = Literal["day", "month"]
Unit = Literal["tokens", "usd"]


class BudgetSettings(Message):
    """What an owner can change about a budget."""

    name: str = ""
    bot_profile_id: str | None = None
    """Whose usage counts; None: all of the tenant's."""
    period: Period = "month"
    """Of the calendar, in UTC."""
    unit: Unit = "usd"
    limit: float = Field(gt=0)
    thresholds: tuple[int, ...] = (80, 100)
    """Percent of the limit; reaching one is told once a period."""
    hard_stop: bool = False
    """Whether no turn begins that the budget does not hold."""


class BudgetMessage(Keyed):
    aggregate: ClassVar[str] = "budget"
    budget_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.budget_id


class CreateBudget(BudgetMessage, Command):
    verb: ClassVar[str] = "create"
    settings: BudgetSettings


class UpdateBudget(BudgetMessage, Command):
    """Change the named fields of `BudgetSettings`, leave the others."""

    verb: ClassVar[str] = "update"
    changes: Mapping[str, Any]


class DeleteBudget(BudgetMessage, Command):
    verb: ClassVar[str] = "delete"


class NoteUsage(BudgetMessage, Command):
    """How much was used in a period so far."""

    verb: ClassVar[str] = "note_usage"
    period_start: date
    used: float


class BudgetCreated(BudgetMessage, Event):
    name: ClassVar[str] = "created"
    settings: BudgetSettings


class BudgetUpdated(BudgetMessage, Event):
    """The settings as they are from now on."""

    name: ClassVar[str] = "updated"
    settings: BudgetSettings


class BudgetDeleted(BudgetMessage, Event):
    name: ClassVar[str] = "deleted"


class ThresholdReached(BudgetMessage, Event):
    name: ClassVar[str] = "threshold_reached"
    bot_profile_id: str | None
    period: Period
    period_start: date
    threshold: int
    used: float
    limit: float
    unit: Unit


BudgetCommand = CreateBudget | UpdateBudget | DeleteBudget | NoteUsage
BudgetEvent = BudgetCreated | BudgetUpdated | BudgetDeleted | ThresholdReached


class BudgetView(Message):
    id: str
    tenant_id: str
    name: str
    bot_profile_id: str | None
    period: Period
    unit: Unit
    limit: float
    thresholds: tuple[int, ...]
    hard_stop: bool = False
    created_at: datetime
    updated_at: datetime
    used: float = 0
    """In the period that runs now."""


class BudgetViews(Page):
    items: tuple[BudgetView, ...]


class GetBudget(Question[BudgetView]):
    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "get_budget"
    budget_id: str


class ListBudgets(PagedQuestion[BudgetViews]):
    """All budgets of the tenant, newest first."""

    service: ClassVar[str] = "analytics"
    name: ClassVar[str] = "list_budgets"
