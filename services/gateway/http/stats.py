"""/v1/stats: usage, costs, feedback, waits and gaps."""

import datetime as dt
from typing import Annotated
from zoneinfo import available_timezones

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel

from services.gateway.http import lists
from services.gateway.http.context import CallerDep, Id, Timestamp
from shared.contracts.analytics import (
    Costs,
    DayUsage,
    DayUsages,
    FeedbackSummary,
    FeedbackTrend,
    GetCosts,
    GetFeedback,
    GetFeedbackTrend,
    GetLatency,
    GetOverview,
    GetPricing,
    GetWorstSources,
    Latency,
    ListUnanswered,
    ListUsage,
    Overview,
    Percentiles,
    Pricing,
    UnansweredQuestion,
    UnansweredQuestions,
    WorstSources,
)
from shared.kernel.errors import InvalidCommand, NotAuthenticated
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/stats", tags=["stats"])

PAGE = 50
DaysDep = Annotated[
    int | None,
    Query(ge=1, le=3660, description="The last so many days, today included; none: all."),
]
MonthDep = Annotated[int, Query(ge=1, le=3660, description="The last so many days.")]
ZONES = frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in ZONES:
        raise ValueError("must be the IANA name of a time zone, such as Europe/Berlin")
    return name


ZoneDep = Annotated[
    str,
    Query(alias="tz", max_length=64, description="IANA name of the zone whose days are meant."),
    AfterValidator(_zone),
]
BotDep = Annotated[Id | None, Query(description="Only this bot.")]
REFUSALS = responses(NotAuthenticated, InvalidCommand)


class OverviewOut(BaseModel):
    bot_profiles: int
    sources: int
    chats: int
    total_prompt_tokens: int
    total_completion_tokens: int
    total_tokens: int


class TokensOut(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    request_count: int


class DayUsageOut(TokensOut):
    date: dt.date
    model: str


class BotUsageOut(TokensOut):
    bot_profile_id: str
    bot_name: str
    model: str
    cost_usd: float


class PriceOut(BaseModel):
    prompt_cost_per_1m: float
    completion_cost_per_1m: float


class ModelUsageOut(TokensOut, PriceOut):
    model: str
    cost_usd: float
    price_known: bool
    """False: nobody has a price of this model, and it is counted at the default."""


class CostsOut(BaseModel):
    total_cost_usd: float
    daily_avg_cost_usd: float
    projected_monthly_usd: float
    active_days: int
    by_model: list[ModelUsageOut]
    by_bot: list[BotUsageOut]


class PricingOut(BaseModel):
    models: dict[str, PriceOut]
    default: PriceOut


class BotFeedbackOut(BaseModel):
    bot_profile_id: str
    bot_name: str
    positive_count: int
    negative_count: int
    total_messages: int
    feedback_rate: float


class FeedbackOut(BaseModel):
    total_messages: int
    total_with_feedback: int
    positive_count: int
    negative_count: int
    feedback_rate: float
    by_bot: list[BotFeedbackOut]


class DayFeedbackOut(BaseModel):
    date: dt.date
    positive_count: int
    negative_count: int
    total_messages: int


class WorstSourceOut(BaseModel):
    source_id: str
    source_name: str
    cited_count: int
    positive_count: int
    negative_count: int


class UnansweredOut(BaseModel):
    turn_id: str
    chat_id: str
    message_id: str
    bot_profile_id: str
    question: str
    reason: str
    best_score: float
    asked_at: Timestamp


@router.get("/overview", responses=responses(NotAuthenticated))
async def overview(caller: CallerDep) -> OverviewOut:
    """Totals of everything there ever was, what is deleted included."""
    found = await caller.ask(GetOverview(), Overview)
    return OverviewOut.model_validate(found.model_dump())


@router.get(
    "/usage",
    response_model=list[DayUsageOut],
    responses={**REFUSALS, 200: {"headers": HEADERS}},
)
async def usage(
    request: Request,
    caller: CallerDep,
    window: WindowDep,
    days: DaysDep = None,
    time_zone: ZoneDep = "UTC",
) -> Response:
    """Tokens by day and model; newest day first."""
    question = ListUsage(days=days, time_zone=time_zone)
    return await lists.answer(request, caller, question, DayUsages, _day, window, again=True)


@router.get("/usage/by-bot", responses=REFUSALS)
async def usage_by_bot(
    caller: CallerDep, days: DaysDep = None, time_zone: ZoneDep = "UTC"
) -> list[BotUsageOut]:
    """Tokens and cost by bot and model, most tokens first."""
    return _costs(await caller.ask(GetCosts(days=days, time_zone=time_zone), Costs)).by_bot


@router.get("/usage/by-model", responses=REFUSALS)
async def usage_by_model(
    caller: CallerDep, days: DaysDep = None, time_zone: ZoneDep = "UTC"
) -> list[ModelUsageOut]:
    """Tokens and cost by model, most tokens first."""
    return _costs(await caller.ask(GetCosts(days=days, time_zone=time_zone), Costs)).by_model


@router.get("/cost-estimate", responses=REFUSALS)
async def cost_estimate(
    caller: CallerDep, days: MonthDep = 30, time_zone: ZoneDep = "UTC"
) -> CostsOut:
    """What it cost at list prices, and what a month costs if it goes on like this."""
    return _costs(await caller.ask(GetCosts(days=days, time_zone=time_zone), Costs))


@router.get("/pricing", responses=responses(NotAuthenticated))
async def pricing(caller: CallerDep) -> PricingOut:
    """The list prices that costs are estimated with."""
    return PricingOut.model_validate((await caller.ask(GetPricing(), Pricing)).model_dump())


@router.get("/feedback", responses=REFUSALS)
async def feedback(
    caller: CallerDep,
    bot_profile_id: BotDep = None,
    days: MonthDep = 30,
    time_zone: ZoneDep = "UTC",
) -> FeedbackOut:
    """What readers thought of the answers, as it stands now."""
    question = GetFeedback(bot_profile_id=bot_profile_id, days=days, time_zone=time_zone)
    return FeedbackOut.model_validate((await caller.ask(question, FeedbackSummary)).model_dump())


@router.get("/feedback/trend", responses=REFUSALS)
async def feedback_trend(
    caller: CallerDep,
    bot_profile_id: BotDep = None,
    days: MonthDep = 30,
    time_zone: ZoneDep = "UTC",
) -> list[DayFeedbackOut]:
    """The same by the day of the answer, oldest first."""
    question = GetFeedbackTrend(bot_profile_id=bot_profile_id, days=days, time_zone=time_zone)
    found = await caller.ask(question, FeedbackTrend)
    return [DayFeedbackOut.model_validate(day.model_dump()) for day in found.items]


@router.get("/latency", responses=REFUSALS)
async def latency(
    caller: CallerDep,
    bot_profile_id: BotDep = None,
    days: MonthDep = 30,
    time_zone: ZoneDep = "UTC",
) -> dict[str, Percentiles]:
    """How long retrieval, the first word and the whole answer took, as percentiles."""
    question = GetLatency(bot_profile_id=bot_profile_id, days=days, time_zone=time_zone)
    found = await caller.ask(question, Latency)
    return {str(stage): percentiles for stage, percentiles in found.stages.items()}


@router.get("/sources/worst", responses=REFUSALS)
async def worst_sources(
    caller: CallerDep, limit: Annotated[int, Query(ge=0, le=100)] = 20
) -> list[WorstSourceOut]:
    """Sources that disliked answers cite, worst first."""
    found = await caller.ask(GetWorstSources(limit=limit), WorstSources)
    return [WorstSourceOut.model_validate(one.model_dump()) for one in found.items]


@router.get(
    "/unanswered",
    response_model=list[UnansweredOut],
    responses={**REFUSALS, 200: {"headers": HEADERS}},
)
async def unanswered(
    request: Request, caller: CallerDep, window: WindowDep, bot_profile_id: BotDep = None
) -> Response:
    """Questions that no source held an answer to, newest first."""
    question = ListUnanswered(bot_profile_id=bot_profile_id)
    size = PAGE if window.limit is None else window.size()
    return await lists.answer(
        request, caller, question, UnansweredQuestions, _gap, window, size=size, again=True
    )


def _day(day: DayUsage) -> DayUsageOut:
    return DayUsageOut.model_validate(day.model_dump())


def _gap(gap: UnansweredQuestion) -> UnansweredOut:
    return UnansweredOut.model_validate(gap.model_dump())


def _costs(costs: Costs) -> CostsOut:
    return CostsOut.model_validate(costs.model_dump())
