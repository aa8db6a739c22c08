"""What the log says, as statistics: the same whichever way it is replayed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.analytics.main import ROLLUPS
from services.analytics.queries.stats import StatsQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.analytics import (
    GetCosts,
    GetFeedback,
    GetFeedbackTrend,
    GetLatency,
    GetOverview,
    GetWorstSources,
    ListUnanswered,
    ListUsage,
)
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import (
    BotProfileCreated,
    BotProfileUpdated,
    BotSettings,
    Feedback,
    FeedbackCleared,
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    Timings,
    TurnFailed,
    Usage,
)
from shared.contracts.chat_citations import Citation
from shared.contracts.ingest import SourceCreated, SourceSettings
from tests.bank.messages import metadata
from tests.integration.replay import ProjectionContract, recorded, replay


def asked(n: int, bot: str = "b1", *, first: bool = False) -> QuestionAsked:
    return QuestionAsked(
        chat_id="c1",
        turn_id=f"t{n}",
        bot_profile_id=bot,
        message_id=f"q{n}",
        first=first,
        question=f"Question {n}?",
    )


def answered(
    n: int, bot: str = "b1", model: str = "gpt-4o", sources: Sequence[str] = ("s1",)
) -> QuestionAnswered:
    return QuestionAnswered(
        chat_id="c1",
        turn_id=f"t{n}",
        bot_profile_id=bot,
        message_id=f"a{n}",
        answer="So.",
        grounded=True,
        citations=tuple(
            Citation(
                citation_id=f"{n}-{k}",
                n=k,
                source_id=source,
                document_id="d",
                chunk_id="k",
                revision=1,
                text_ref="t",
                start=0,
                end=1,
                score=1,
                snippet="x",
            )
            for k, source in enumerate(sources)
        ),
        usage=Usage(model=model, prompt_tokens=1000, completion_tokens=100),
        timings=Timings(retrieval_ms=10, first_token_ms=100, total_ms=1000),
    )


def refused(n: int) -> QuestionRefused:
    return QuestionRefused(
        chat_id="c1",
        turn_id=f"t{n}",
        bot_profile_id="b1",
        message_id=f"a{n}",
        answer="I do not know.",
        reason="no passage is close enough",
        best_score=0.2,
        usage=Usage(model="gpt-4o"),
        timings=Timings(retrieval_ms=10, total_ms=20),
    )


def liked(n: int, feedback: Feedback, previous: Feedback | None = None) -> FeedbackGiven:
    return FeedbackGiven(
        chat_id="c1",
        bot_profile_id="b1",
        message_id=f"a{n}",
        feedback=feedback,
        previous=previous,
    )


class TestRollups(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("analytics")

    @pytest.fixture
    def model(self) -> ReadModel:
        return ROLLUPS

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (
            BotProfileCreated(bot_profile_id="b1", settings=BotSettings(name="First")),
            BotProfileCreated(bot_profile_id="b2", settings=BotSettings(name="Second")),
            BotProfileUpdated(bot_profile_id="b2", settings=BotSettings(name="Renamed")),
            SourceCreated(
                source_id="s1",
                bot_profile_id="b1",
                source_type="text",
                settings=SourceSettings(name="Guide"),
            ),
            asked(1, first=True),
            answered(1, sources=("s1", "s1", "s2")),
            asked(2),
            answered(2),
            asked(3),
            refused(3),
            asked(4),
            TurnFailed(
                chat_id="c1",
                turn_id="t4",
                bot_profile_id="b1",
                error="x",
                detail="x",
                retryable=True,
            ),
            asked(5, "b2", first=True),
            answered(5, "b2", "gpt-4o-mini", sources=()),
            liked(1, "negative"),
            liked(2, "negative"),
            liked(2, "positive", "negative"),
            liked(3, "negative"),
            FeedbackCleared(
                chat_id="c1", bot_profile_id="b1", message_id="a3", previous="negative"
            ),
        )

    @pytest.fixture
    async def stats(self, store: ReadModelStore, past: list[Recorded[Event]]) -> StatsQueries:
        await replay(store, past, chunk=4)
        return StatsQueries(store)

    async def test_the_overview_counts_everything(
        self, stats: StatsQueries, tenant_id: str
    ) -> None:
        found = await stats.get_overview(GetOverview(), metadata(tenant_id))
        assert found.model_dump() == {
            "bot_profiles": 2,
            "sources": 1,
            "chats": 2,
            "total_prompt_tokens": 3000,
            "total_completion_tokens": 300,
            "total_tokens": 3300,
        }

    async def test_usage_is_told_by_day_and_model(
        self, stats: StatsQueries, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        found = await stats.list_usage(ListUsage(counted=True), metadata(tenant_id))
        day = past[0].at.date()
        assert [(one.date, one.model, one.request_count) for one in found.items] == [
            (day, "gpt-4o-mini", 1),
            (day, "gpt-4o", 2),
        ]
        assert (found.items[1].prompt_tokens, found.total) == (2000, 2)
        page = await stats.list_usage(ListUsage(limit=1), metadata(tenant_id))
        rest = await stats.list_usage(ListUsage(after=page.following), metadata(tenant_id))
        assert page.items + rest.items == found.items

    async def test_costs_follow_from_prices(self, stats: StatsQueries, tenant_id: str) -> None:
        found = await stats.get_costs(GetCosts(days=30), metadata(tenant_id))
        assert [(one.model, one.cost_usd, one.price_known) for one in found.by_model] == [
            ("gpt-4o", 0.007, True),
            ("gpt-4o-mini", 0.00021, True),
        ]
        assert [(one.bot_name, one.total_tokens) for one in found.by_bot] == [
            ("First", 2200),
            ("Renamed", 1100),
        ]
        assert found.total_cost_usd == found.daily_avg_cost_usd == 0.00721
        assert (found.active_days, found.projected_monthly_usd) == (1, 0.22)

    async def test_days_that_are_over_do_not_count(
        self, stats: StatsQueries, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        later = metadata(tenant_id).model_copy(update={"now": past[0].at + timedelta(days=30)})
        assert (await stats.get_costs(GetCosts(days=30), later)).active_days == 0
        assert (await stats.get_costs(GetCosts(days=31), later)).active_days == 1
        assert (await stats.list_usage(ListUsage(days=30), later)).items == ()

    async def test_feedback_counts_as_it_stands_now(
        self, stats: StatsQueries, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        meta = metadata(tenant_id)
        found = await stats.get_feedback(GetFeedback(), meta)
        first, second = found.by_bot
        assert (first.bot_name, first.positive_count, first.negative_count) == ("First", 1, 1)
        assert (first.total_messages, first.feedback_rate) == (3, 66.67)
        assert (second.bot_name, second.feedback_rate) == ("Renamed", 0)
        assert (found.total_messages, found.total_with_feedback) == (4, 2)
        assert found.feedback_rate == 50
        of_second = await stats.get_feedback(GetFeedback(bot_profile_id="b2"), meta)
        assert (of_second.total_messages, of_second.total_with_feedback) == (1, 0)
        (trend,) = (await stats.get_feedback_trend(GetFeedbackTrend(), meta)).items
        assert (trend.date, trend.positive_count, trend.negative_count, trend.total_messages) == (
            past[0].at.date(),
            1,
            1,
            4,
        )

    async def test_waits_are_told_as_percentiles(self, stats: StatsQueries, tenant_id: str) -> None:
        found = (await stats.get_latency(GetLatency(), metadata(tenant_id))).stages
        assert {stage: told.count for stage, told in found.items()} == {
            "retrieval": 4,
            "first_token": 3,
            "total": 4,
        }
        assert 1000 <= found["total"].p99_ms <= 1100
        assert 10 <= found["retrieval"].p50_ms <= 11

    async def test_sources_of_disliked_answers_come_first(
        self, stats: StatsQueries, tenant_id: str
    ) -> None:
        found = await stats.get_worst_sources(GetWorstSources(), metadata(tenant_id))
        told: list[Any] = [
            (
                one.source_id,
                one.source_name,
                one.cited_count,
                one.positive_count,
                one.negative_count,
            )
            for one in found.items
        ]
        assert told == [("s2", "", 1, 0, 1), ("s1", "Guide", 2, 1, 1)]

    async def test_gaps_are_told_with_their_question(
        self, stats: StatsQueries, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        meta = metadata(tenant_id)
        (gap,) = (await stats.list_unanswered(ListUnanswered(counted=True), meta)).items
        assert (gap.question, gap.turn_id, gap.message_id) == ("Question 3?", "t3", "a3")
        assert gap.asked_at == past[8].at
        none = await stats.list_unanswered(ListUnanswered(bot_profile_id="b2"), meta)
        assert none.items == ()

    async def test_days_are_those_of_the_zone_that_is_asked_for(
        self, store: ReadModelStore, tenant_id: str
    ) -> None:
        """Around the end of summer time in Berlin, 2026-10-25, whose day has 25 hours."""
        times = (
            "2026-10-24T21:59:00+00:00",  # the 24th, 23:59
            "2026-10-24T22:00:00+00:00",  # the 25th, 00:00
            "2026-10-25T22:59:00+00:00",  # the 25th, 23:59
            "2026-10-25T23:00:00+00:00",  # the 26th, 00:00
        )
        facts: list[Event] = [fact for n in range(4) for fact in (asked(n), answered(n))]
        facts.append(liked(1, "positive"))
        past = recorded(tenant_id, *facts)
        when = [datetime.fromisoformat(time) for time in times for _ in range(2)]
        when.append(when[-1])
        moved = [
            replace(one, metadata=one.metadata.model_copy(update={"now": at}))
            for one, at in zip(past, when, strict=True)
        ]
        await replay(store, moved)
        stats = StatsQueries(store)
        meta = metadata(tenant_id).model_copy(update={"now": when[-1]})

        async def used(zone: str, days: int | None = None) -> list[tuple[int, int]]:
            question = ListUsage(time_zone=zone, days=days)
            found = await stats.list_usage(question, meta)
            return [(one.date.day, one.request_count) for one in found.items]

        assert await used("UTC") == [(25, 2), (24, 2)]
        assert await used("Europe/Berlin") == [(26, 1), (25, 2), (24, 1)]
        assert await used("Europe/Berlin", days=2) == [(26, 1), (25, 2)]
        assert await used("America/New_York") == [(25, 2), (24, 2)]
        assert await used("Asia/Kathmandu", days=1) == [(26, 2)]
        for zone, active in (("UTC", 2), ("Europe/Berlin", 3)):
            costs = await stats.get_costs(GetCosts(time_zone=zone), meta)
            assert (costs.active_days, costs.by_model[0].request_count) == (active, 4)
        trend = await stats.get_feedback_trend(GetFeedbackTrend(time_zone="Europe/Berlin"), meta)
        assert [(one.date.day, one.positive_count, one.total_messages) for one in trend.items] == [
            (24, 0, 1),
            (25, 1, 2),
            (26, 0, 1),
        ]
        totals = await stats.get_feedback(
            GetFeedback(time_zone="Europe/Berlin", days=1, bot_profile_id="b1"), meta
        )
        assert totals.total_messages == 1

    @pytest.mark.parametrize(
        ("zone", "days", "counted"),
        [
            ("UTC", 1, 2),
            ("UTC", 2, 4),
            ("Europe/Berlin", 1, 1),
            ("Europe/Berlin", 2, 3),
            ("Europe/Berlin", 3, 4),
            ("America/New_York", 1, 2),
            ("Asia/Kathmandu", 1, 2),
            ("Asia/Kathmandu", None, 4),
        ],
    )
    async def test_waits_are_those_of_the_days_of_a_zone(
        self, store: ReadModelStore, tenant_id: str, zone: str, days: int | None, counted: int
    ) -> None:
        """The same times as above: some days begin within a day in UTC."""
        times = (
            "2026-10-24T21:59:00+00:00",
            "2026-10-24T22:00:00+00:00",
            "2026-10-25T22:59:00+00:00",
            "2026-10-25T23:00:00+00:00",
        )
        moved = [
            replace(
                one,
                metadata=one.metadata.model_copy(update={"now": datetime.fromisoformat(time)}),
            )
            for one, time in zip(
                recorded(tenant_id, *(answered(n) for n in range(4))), times, strict=True
            )
        ]
        await replay(store, moved)
        meta = metadata(tenant_id).model_copy(update={"now": moved[-1].at})
        for bot in (None, "b1"):
            question = GetLatency(time_zone=zone, days=days, bot_profile_id=bot)
            stages = (await StatsQueries(store).get_latency(question, meta)).stages
            assert {told.count for told in stages.values()} == {counted}

    async def test_another_tenant_sees_nothing(
        self, stats: StatsQueries, other_tenant_id: str
    ) -> None:
        meta = metadata(other_tenant_id)
        assert not any((await stats.get_overview(GetOverview(), meta)).model_dump().values())
        assert (await stats.list_usage(ListUsage(), meta)).items == ()
        assert (await stats.get_costs(GetCosts(), meta)).total_cost_usd == 0
        in_zone = ListUsage(time_zone="Asia/Tokyo")
        assert (await stats.list_usage(in_zone, meta)).items == ()
        assert (await stats.get_feedback(GetFeedback(), meta)).by_bot == ()
        assert (await stats.get_latency(GetLatency(), meta)).stages == {}
        assert (await stats.get_worst_sources(GetWorstSources(), meta)).items == ()
        assert (await stats.list_unanswered(ListUnanswered(), meta)).items == ()
