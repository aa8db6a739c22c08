"""Questions to analytics: what was used, what it cost, what readers thought of it."""

from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Message, Page, PagedQuestion, Question

Days = int | None
"""The last so many days, today included; None: all."""
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


class ModelUsage(Message):
    model: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    request_count: int
    cost_usd: float
    prompt_cost_per_1m: float
    completion_cost_per_1m: float


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
