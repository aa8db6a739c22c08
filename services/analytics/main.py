"""Composition root of analytics. Read this first: it lists every way in."""

from contextlib import AsyncExitStack

from services.analytics.projections import Rollups
from services.analytics.queries import StatsQueries
from services.analytics.settings import Settings
from services.analytics.tables import metadata
from shared.adapters.read_model import ReadModel
from shared.contracts.analytics import (
    GetCosts,
    GetFeedback,
    GetFeedbackTrend,
    GetLatency,
    GetOverview,
    GetPricing,
    GetWorstSources,
    ListUnanswered,
    ListUsage,
)
from shared.contracts.chat import (
    BotProfileCreated,
    BotProfileUpdated,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
)
from shared.contracts.ingest import SourceCreated, SourceUpdated
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
)
ROLLUPS = ReadModel(
    service="analytics",
    name="rollups",
    version=1,
    tables=metadata,
    owns={},
    projection=Rollups(),
    listens=[(e.aggregate, e.name) for e in COUNTED],
)


async def build(_settings: Settings, platform: Platform, _stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    service = Service(platform)
    queries = StatsQueries(service.keeps(ROLLUPS))
    service.answers(GetOverview, queries.get_overview)
    service.answers(ListUsage, queries.list_usage)
    service.answers(GetCosts, queries.get_costs)
    service.answers(GetPricing, queries.get_pricing)
    service.answers(GetFeedback, queries.get_feedback)
    service.answers(GetFeedbackTrend, queries.get_feedback_trend)
    service.answers(GetLatency, queries.get_latency)
    service.answers(GetWorstSources, queries.get_worst_sources)
    service.answers(ListUnanswered, queries.list_unanswered)
    return service
