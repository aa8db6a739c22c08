"""Questions about usage, costs, feedback, waits and gaps, answered from the rollups."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    FromClause,
    Integer,
    RowMapping,
    Select,
    Table,
    cast as cast_to,
    func,
    literal,
    select,
    union_all,
)

from services.analytics.domain.days import (
    EPOCH_DAY,
    SLOTS_A_DAY,
    day_starts,
    local_date,
    number_of,
    slot_of,
)
from services.analytics.domain.waits import percentiles
from services.analytics.tables import (
    cited,
    feedback,
    feedback_slots,
    names,
    totals,
    unanswered,
    usage,
    usage_slots,
    waits,
    waits_slots,
)
from shared.adapters.pages import cut, page_of, read_page
from shared.adapters.read_model import ReadModelStore
from shared.contracts.analytics import (
    BotFeedback,
    BotUsage,
    Costs,
    DayFeedback,
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
    ModelUsage,
    Overview,
    Pricing,
    Stage,
    UnansweredQuestion,
    UnansweredQuestions,
    WorstSource,
    WorstSources,
)
from shared.contracts.base import Metadata
from shared.kernel.prices import DEFAULT, PRICES, cost, is_priced, price_of

OfDays = ListUsage | GetCosts | GetFeedback | GetFeedbackTrend | GetLatency
MOST_PAIRS = 1000
MONTH_DAYS = 30
ROW_BYTES = 300
TOKENS = ("prompt_tokens", "completion_tokens", "request_count")


class StatsQueries:
    """Reads the model `analytics_rollups`."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store

    async def get_pricing(self, _question: GetPricing, _meta: Metadata) -> Pricing:
        return Pricing(models=dict(PRICES), default=DEFAULT)

    async def get_overview(self, _question: GetOverview, meta: Metadata) -> Overview:
        counted = await self._rows(meta, select(totals).where(_mine(totals, meta)))
        (row,) = await self._rows(meta, _summed(usage, TOKENS, meta))
        used = _used(row)
        return Overview(
            **{
                name: counted[0][name] if counted else 0
                for name in ("bot_profiles", "sources", "chats")
            },
            total_prompt_tokens=used["prompt_tokens"],
            total_completion_tokens=used["completion_tokens"],
            total_tokens=used["total_tokens"],
        )

    async def list_usage(self, question: ListUsage, meta: Metadata) -> DayUsages:
        used = await self._by_day(usage, usage_slots, question, meta)
        by_day = (
            _summed(used, TOKENS, meta, question)
            .add_columns(used.c.day, used.c.model.label("id"))
            .group_by(used.c.day, used.c.model)
            .subquery("by_day")
        )
        query = select(by_day)
        page = page_of(
            query,
            (by_day.c.day, by_day.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=literal(ROW_BYTES),
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        views = [
            DayUsage.model_validate({**_used(row), "date": _date(row["day"]), "model": row["id"]})
            for row in rows
        ]
        items, following = cut(rows, views)
        return DayUsages(items=items, following=following, total=total)

    async def get_costs(self, question: GetCosts, meta: Metadata) -> Costs:
        used = await self._by_day(usage, usage_slots, question, meta)
        pair = (used.c.bot_profile_id, used.c.model)
        query = _summed(used, TOKENS, meta, question).add_columns(*pair).group_by(*pair)
        pairs = await self._rows(meta, query)
        days = select(func.count(used.c.day.distinct()).label("n")).where(
            _mine(used, meta), _within(used, question, meta)
        )
        (active,) = await self._rows(meta, days)
        named = await self._names(meta, "bot")
        by_bot = [
            BotUsage.model_validate(
                {
                    **_used(row),
                    "bot_profile_id": row["bot_profile_id"],
                    "bot_name": named.get(row["bot_profile_id"], ""),
                    "model": row["model"],
                    "cost_usd": cost(row["model"], row["prompt_tokens"], row["completion_tokens"]),
                }
            )
            for row in pairs
        ]
        by_model = _by_model(pairs)
        total = sum(model.cost_usd for model in by_model)
        average = total / active["n"] if active["n"] else 0.0
        return Costs(
            total_cost_usd=round(total, 6),
            daily_avg_cost_usd=round(average, 6),
            projected_monthly_usd=round(average * MONTH_DAYS, 2),
            active_days=active["n"],
            by_model=tuple(by_model),
            by_bot=tuple(sorted(by_bot, key=lambda one: -one.total_tokens)[:MOST_PAIRS]),
        )

    async def get_feedback(self, question: GetFeedback, meta: Metadata) -> FeedbackSummary:
        rows = await self._feedback(question, meta, "bot_profile_id")
        named = await self._names(meta, "bot")
        by_bot = [
            BotFeedback(
                bot_profile_id=row["bot_profile_id"],
                bot_name=named.get(row["bot_profile_id"], ""),
                positive_count=row["positive"],
                negative_count=row["negative"],
                total_messages=row["answers"],
                feedback_rate=_rate(row["positive"] + row["negative"], row["answers"]),
            )
            for row in rows
        ]
        positive = sum(bot.positive_count for bot in by_bot)
        negative = sum(bot.negative_count for bot in by_bot)
        messages = sum(bot.total_messages for bot in by_bot)
        return FeedbackSummary(
            total_messages=messages,
            total_with_feedback=positive + negative,
            positive_count=positive,
            negative_count=negative,
            feedback_rate=_rate(positive + negative, messages),
            by_bot=tuple(sorted(by_bot, key=lambda one: -one.total_messages)[:MOST_PAIRS]),
        )

    async def get_feedback_trend(self, question: GetFeedbackTrend, meta: Metadata) -> FeedbackTrend:
        rows = await self._feedback(question, meta, "day")
        return FeedbackTrend(
            items=tuple(
                DayFeedback(
                    date=_date(row["day"]),
                    positive_count=row["positive"],
                    negative_count=row["negative"],
                    total_messages=row["answers"],
                )
                for row in sorted(rows, key=itemgetter("day"))
            )
        )

    async def get_latency(self, question: GetLatency, meta: Metadata) -> Latency:
        waited = _waited(question, meta)
        bucket = (waited.c.stage, waited.c.bucket)
        query = _summed(waited, ("count",), meta).add_columns(*bucket)
        if question.bot_profile_id is not None:
            query = query.where(waited.c.bot_profile_id == question.bot_profile_id)
        rows = await self._rows(meta, query.group_by(*bucket))
        counts: dict[Stage, dict[int, int]] = defaultdict(dict)
        for row in rows:
            counts[cast("Stage", row["stage"])][row["bucket"]] = row["count"]
        return Latency(stages={stage: percentiles(found) for stage, found in counts.items()})

    async def get_worst_sources(self, question: GetWorstSources, meta: Metadata) -> WorstSources:
        query = (
            select(cited)
            .where(_mine(cited, meta), cited.c.negative > 0)
            .order_by(
                (cited.c.negative - cited.c.positive).desc(),
                cited.c.negative.desc(),
                cited.c.source_id,
            )
            .limit(question.limit)
        )
        rows = await self._rows(meta, query)
        named = await self._names(meta, "source", [row["source_id"] for row in rows])
        return WorstSources(
            items=tuple(
                WorstSource(
                    source_id=row["source_id"],
                    source_name=named.get(row["source_id"], ""),
                    cited_count=row["answers"],
                    positive_count=row["positive"],
                    negative_count=row["negative"],
                )
                for row in rows
            )
        )

    async def list_unanswered(
        self, question: ListUnanswered, meta: Metadata
    ) -> UnansweredQuestions:
        query = select(unanswered).where(_mine(unanswered, meta))
        if question.bot_profile_id is not None:
            query = query.where(unanswered.c.bot_profile_id == question.bot_profile_id)
        page = page_of(
            query,
            (unanswered.c.position, unanswered.c.id),
            after=question.after,
            limit=question.limit,
            newest_first=True,
            size=func.octet_length(unanswered.c.question) + ROW_BYTES,
        )
        async with self._store.reading(meta.tenant_id) as db:
            rows, total = await read_page(db, page, query, question)
        views = [
            UnansweredQuestion.model_validate({**row, "message_id": row["id"]}) for row in rows
        ]
        items, following = cut(rows, views)
        return UnansweredQuestions(items=items, following=following, total=total)

    async def _feedback(
        self, question: GetFeedback | GetFeedbackTrend, meta: Metadata, by: str
    ) -> Sequence[RowMapping]:
        table = await self._by_day(feedback, feedback_slots, question, meta)
        column = table.c[by]
        counts = ("answers", "positive", "negative")
        query = _summed(table, counts, meta, question).add_columns(column)
        if question.bot_profile_id is not None:
            query = query.where(table.c.bot_profile_id == question.bot_profile_id)
        return await self._rows(meta, query.group_by(column))

    async def _by_day(
        self, days: Table, slots: Table, question: OfDays, meta: Metadata
    ) -> FromClause:
        """What is counted by days of the zone that is asked for: rows like those of `days`."""
        if question.time_zone == "UTC":
            return days
        today = local_date(slot_of(meta.now), question.time_zone)
        first = _first(question, meta)
        if first is None:
            oldest = select(func.min(slots.c.slot).label("slot")).where(_mine(slots, meta))
            (row,) = await self._rows(meta, oldest)
            since = slot_of(meta.now) if row["slot"] is None else row["slot"]
            first = number_of(local_date(since, question.time_zone))
        # A clock that runs ahead may have put something into tomorrow.
        starts = day_starts(_date(first), today + timedelta(days=1), question.time_zone)
        known = literal(starts, ARRAY(Integer))
        day = (func.width_bucket(slots.c.slot, known) + (first - 1)).label("day")
        rest = [column for column in slots.c if column.name != "slot"]
        mine = (_mine(slots, meta), slots.c.slot >= starts[0])
        return select(day, *rest).where(*mine).subquery("by_zone")

    async def _names(
        self, meta: Metadata, kind: str, ids: Sequence[str] | None = None
    ) -> dict[str, str]:
        query = select(names).where(_mine(names, meta), names.c.kind == kind)
        if ids is not None:
            query = query.where(names.c.id.in_(ids))
        return {row["id"]: row["name"] for row in await self._rows(meta, query)}

    async def _rows(self, meta: Metadata, query: Select[Any]) -> Sequence[RowMapping]:
        async with self._store.reading(meta.tenant_id) as db:
            found: Sequence[RowMapping] = (await db.execute(query)).mappings().all()
        return found


def _waited(question: GetLatency, meta: Metadata) -> FromClause:
    """The waits of the last days of a zone. Only where they begin within a day in UTC are quarters
    of an hour counted: all the rest is whole days, whatever the zone.
    """
    first = _first(question, meta)
    if first is None or question.time_zone == "UTC":
        return select(waits).where(_mine(waits, meta), _within(waits, question, meta)).subquery()
    (begin,) = day_starts(_date(first), _date(first), question.time_zone)
    whole = -(-begin // SLOTS_A_DAY)
    columns = [column.name for column in waits.c if column.name != "day"]
    days = select(*(waits.c[name] for name in columns))
    edge = select(*(waits_slots.c[name] for name in columns))
    slot = waits_slots.c.slot
    return union_all(
        days.where(_mine(waits, meta), waits.c.day >= whole),
        edge.where(_mine(waits_slots, meta), slot >= begin, slot < whole * SLOTS_A_DAY),
    ).subquery("waited")


def _mine(table: FromClause, meta: Metadata) -> Any:
    return table.c.tenant_id == meta.tenant_id


def _first(question: OfDays, meta: Metadata) -> int | None:
    """The first of the last so many days, today included."""
    if question.days is None:
        return None
    return number_of(local_date(slot_of(meta.now), question.time_zone)) - question.days + 1


def _within(table: FromClause, question: OfDays | None, meta: Metadata) -> Any:
    first = None if question is None else _first(question, meta)
    return literal(value=True) if first is None else table.c.day >= first


def _summed(
    table: FromClause, counts: Sequence[str], meta: Metadata, question: OfDays | None = None
) -> Select[Any]:
    """The sums of these counts over the tenant's last days."""
    bigint = [cast_to(func.coalesce(func.sum(table.c[name]), 0), BigInteger) for name in counts]
    sums: list[Any] = [c.label(name) for c, name in zip(bigint, counts, strict=True)]
    query: Select[Any] = select(*sums)
    return query.where(_mine(table, meta), _within(table, question, meta))


def _used(row: RowMapping) -> dict[str, int]:
    prompt, completion = row["prompt_tokens"], row["completion_tokens"]
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "request_count": row["request_count"],
    }


def _by_model(pairs: Sequence[RowMapping]) -> list[ModelUsage]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in pairs:
        for name, count in _used(row).items():
            sums[row["model"]][name] += count
    found = [
        ModelUsage.model_validate(
            {
                **used,
                **price_of(model).model_dump(),
                "price_known": is_priced(model),
                "model": model,
                "cost_usd": cost(model, used["prompt_tokens"], used["completion_tokens"]),
            }
        )
        for model, used in sums.items()
    ]
    return sorted(found, key=lambda one: (-one.total_tokens, one.model))


def _date(day: int) -> date:
    return date.fromordinal(EPOCH_DAY + day)


def _rate(part: int, whole: int) -> float:
    """Percent."""
    return round(100 * part / whole, 2) if whole else 0.0
