"""Composition root of analytics. Read this first: it lists every way in."""

from contextlib import AsyncExitStack
from functools import partial

from services.analytics.domain.budgets import budget_decider
from services.analytics.handlers import CheckBot
from services.analytics.projections.budgets import Budgets
from services.analytics.projections.rollups import Rollups
from services.analytics.queries.budgets import BudgetQueries
from services.analytics.queries.stats import StatsQueries
from services.analytics.reactions import CheckBudgets
from services.analytics.settings import Settings
from services.analytics.tables import budgets_metadata, metadata
from shared.adapters.read_model import ReadModel
from shared.contracts.analytics import (
    CreateBudget,
    DeleteBudget,
    GetBudget,
    GetCosts,
    GetFeedback,
    GetFeedbackTrend,
    GetLatency,
    GetOverview,
    GetPricing,
    GetWorstSources,
    ListBudgets,
    ListUnanswered,
    ListUsage,
    UpdateBudget,
)
from shared.contracts.chat import (
    BotProfileCreated,
    BotProfileUpdated,
    ChatErased,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
)
from shared.contracts.chat_playground import ResultRecorded, VerdictRecorded
from shared.contracts.ingest import SourceCreated, SourceUpdated
from shared.runtime.erasing import take_part
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]

COUNTED = (
    BotProfileCreated,
    BotProfileUpdated,
    SourceCreated,
    SourceUpdated,
    QuestionAsked,
    QuestionAnswered,
    QuestionRefused,
    TurnFailed,
    FeedbackGiven,
    FeedbackCleared,
    ChatErased,
    ResultRecorded,
    VerdictRecorded,
)
ROLLUPS = ReadModel(
    service="analytics",
    name="rollups",
    version=4,
    tables=metadata,
    owns={},
    projection=Rollups(),
    listens=[(e.aggregate, e.name) for e in COUNTED],
    erased=("chat", "visitor", "retention"),
)
BUDGETS = ReadModel(
    service="analytics",
    name="budgets",
    version=2,
    tables=budgets_metadata,
    owns={"budget": budget_decider},
    projection=Budgets(),
)


async def build(_settings: Settings, platform: Platform, _stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    service = Service(platform)
    rollups, budgets = service.keeps(ROLLUPS), service.keeps(BUDGETS)
    service.takes(
        budgets,
        [CreateBudget, UpdateBudget, DeleteBudget],
        check=CheckBot(platform.event_log.last_sequence_of),
    )
    queries, budget_queries = StatsQueries(rollups), BudgetQueries(budgets, rollups)
    service.answers(GetOverview, queries.get_overview)
    service.answers(ListUsage, queries.list_usage)
    service.answers(GetCosts, queries.get_costs)
    service.answers(GetPricing, queries.get_pricing)
    service.answers(GetFeedback, queries.get_feedback)
    service.answers(GetFeedbackTrend, queries.get_feedback_trend)
    service.answers(GetLatency, queries.get_latency)
    service.answers(GetWorstSources, queries.get_worst_sources)
    service.answers(ListUnanswered, queries.list_unanswered)
    service.answers(GetBudget, budget_queries.get_budget)
    service.answers(ListBudgets, budget_queries.list_budgets)

    service.starts(partial(budget_queries.memo.follow, platform.client))
    take_part(service, rollups, budgets)
    check_budgets = CheckBudgets(service.execute, budget_queries, service.shown("rollups"))
    service.reacts(
        "check-budgets",
        [QuestionAnswered, QuestionRefused, ResultRecorded, VerdictRecorded],
        check_budgets,
    )
    return service
