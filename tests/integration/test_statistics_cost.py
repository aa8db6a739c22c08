"""What a question about statistics reads does not grow with what has happened."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import CursorResult, Executable, Select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from typing_extensions import override

from services.analytics.main import ROLLUPS
from services.analytics.queries.stats import StatsQueries
from shared.adapters.read_model import ReadModelStore
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
from shared.contracts.chat import BotProfileCreated, BotSettings
from tests.bank.messages import metadata
from tests.bank.rows import rows
from tests.integration.replay import fresh, recorded, replay
from tests.integration.test_analytics_rows import answered, asked, liked, refused

HISTORY = 1_000
MORE = 20
"""So many times the same days again."""
BOTS, SOURCES, DAYS = 4, 20, 5
KOLKATA = "Asia/Kolkata"
QUESTIONS: Mapping[str, Any] = {
    "overview": GetOverview(),
    "usage": ListUsage(),
    "usage in a zone": ListUsage(time_zone=KOLKATA),
    "costs": GetCosts(),
    "costs in a zone": GetCosts(time_zone=KOLKATA, days=3),
    "feedback": GetFeedback(),
    "trend": GetFeedbackTrend(time_zone=KOLKATA),
    "latency": GetLatency(),
    "latency in a zone": GetLatency(time_zone=KOLKATA, days=3),
    "worst sources": GetWorstSources(),
    "unanswered": ListUnanswered(limit=20),
}


class Explained(Executable, ClauseElement):
    """A query, run for what it reads."""

    inherit_cache = False

    def __init__(self, query: Select[Any]) -> None:
        self.query = query


@compiles(Explained, "postgresql")
def _explained(element: Explained, compiler: SQLCompiler, **kw: Any) -> str:
    options = "analyze, timing off, buffers off, format json"
    return f"explain ({options}) {compiler.process(element.query, **kw)}"


class Counting(ReadModelStore):
    """Counts the rows that every query takes from tables and indexes."""

    read = 0

    @override
    @asynccontextmanager
    async def reading(self, tenant_id: str) -> AsyncIterator[AsyncConnection]:
        async with super().reading(tenant_id) as db:
            yield cast("AsyncConnection", Watched(self, db))


class Watched:
    """A connection whose queries are counted."""

    def __init__(self, store: Counting, db: AsyncConnection) -> None:
        self._store = store
        self._db = db

    async def execute(self, query: Select[Any]) -> CursorResult[Any]:
        await self._count(query)
        found: CursorResult[Any] = await self._db.execute(query)
        return found

    async def scalar(self, query: Select[Any]) -> Any:
        await self._count(query)
        return await self._db.scalar(query)

    async def _count(self, query: Select[Any]) -> None:
        found = (await self._db.execute(Explained(query))).scalar_one()
        (plan,) = found if isinstance(found, list) else json.loads(found)
        self._store.read += _scanned(plan["Plan"])


def _scanned(node: dict[str, Any]) -> int:
    read = 0
    if "Relation Name" in node:
        dropped = node.get("Rows Removed by Filter", 0)
        read = int((node["Actual Rows"] + dropped) * node["Actual Loops"])
    return read + sum(_scanned(one) for one in node.get("Plans", []))


def history(tenant_id: str, times: int) -> list[Recorded[Event]]:
    """Some days of several bots, told `times` times over."""
    facts: list[Event] = [
        BotProfileCreated(bot_profile_id=f"b{n}", settings=BotSettings(name=f"Bot {n}"))
        for n in range(BOTS)
    ]
    turns = HISTORY // 5
    for n in range(turns * times):
        place = n % turns
        bot = f"b{place % BOTS}"
        facts.append(asked(3 * n, bot, first=True))
        facts.append(answered(3 * n, bot, sources=(f"s{place % SOURCES}",)))
        facts.append(liked(3 * n, "negative" if place % 3 else "positive"))
        facts.append(asked(3 * n + 1))
        facts.append(refused(3 * n + 1))
    found = recorded(tenant_id, *facts)
    start = found[0].at
    step = timedelta(days=DAYS) / (turns * 5)
    return [
        replace(
            one,
            metadata=one.metadata.model_copy(
                update={"now": start + step * (max(0, n - BOTS) % (turns * 5))}
            ),
        )
        for n, one in enumerate(found)
    ]


async def reads(
    engine: AsyncEngine, store: ReadModelStore, past: Sequence[Recorded[Event]]
) -> dict[str, int]:
    """Rows that every question reads behind this history."""
    await replay(store, past, chunk=1000)
    async with engine.begin() as db:
        for table in store.model.tables.sorted_tables:
            await db.execute(text(f'analyze "{store.schema}"."{table.name}"'))
    meta = metadata(past[0].tenant_id).model_copy(update={"now": past[0].at + timedelta(days=DAYS)})
    found = {}
    for name, question in QUESTIONS.items():
        counting = Counting(engine, store.model, schema=store.schema)
        await getattr(StatsQueries(counting), type(question).name)(question, meta)
        found[name] = counting.read
    return found


class TestCost:
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("analytics")

    @pytest.fixture
    async def stores(self, engine: AsyncEngine) -> AsyncIterator[list[ReadModelStore]]:
        async with fresh(engine, ROLLUPS) as one, fresh(engine, ROLLUPS) as other:
            yield [one, other]

    @pytest.mark.timeout(600)
    async def test_twenty_times_the_history_is_read_with_the_same_rows(
        self, engine: AsyncEngine, stores: list[ReadModelStore], tenant_id: str
    ) -> None:
        little = await reads(engine, stores[0], history(tenant_id, 1))
        much = await reads(engine, stores[1], history(tenant_id, MORE))
        assert all(little.values())
        grown = {name: (little[name], much[name]) for name in much if much[name] > little[name]}
        assert not grown

    @pytest.mark.timeout(600)
    async def test_replayed_in_other_pieces_the_rows_are_the_same(
        self, stores: list[ReadModelStore], tenant_id: str
    ) -> None:
        past = history(tenant_id, 2)
        await replay(stores[0], past, chunk=37)
        await replay(stores[1], past, chunk=2000)
        assert await rows(stores[0], tenant_id) == await rows(stores[1], tenant_id)
