"""How many connections a service keeps, and that locks are lost with theirs."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.guard import Guard
from shared.adapters.postgres import create_engine
from shared.adapters.unused import Unused
from shared.embedded.servers import Servers
from shared.kernel.errors import Unavailable
from tests.eventually import eventually

KEY, OTHER = 1_000_001, 1_000_002
OPEN = text("select count(*) from pg_stat_activity where application_name = :name")
END = text(
    "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = :name"
)


@pytest.fixture
def name() -> str:
    return f"tests-{uuid4().hex[:12]}"


@pytest.fixture
async def looking(servers: Servers) -> AsyncIterator[AsyncEngine]:
    """Of the same role, so that it sees the others' connections and may end them."""
    engine = create_engine(servers.database_url("ingest"), "tests-looking")
    yield engine
    await engine.dispose()


@pytest.fixture
async def mine(servers: Servers, name: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(servers.database_url("ingest"), name)
    yield engine
    await engine.dispose()


async def count(engine: AsyncEngine, name: str) -> int:
    async with engine.connect() as db:
        return int(await db.scalar(OPEN, {"name": name}) or 0)


class TestLocks:
    async def test_all_are_held_by_one_connection(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        guard = Guard(mine)
        async with guard.share({}) as one, guard.share({}) as two:
            assert all(await asyncio.gather(one.lock(KEY), two.lock(OTHER)))
            assert await count(looking, name) == 1

    async def test_each_lets_go_what_it_locked(self, mine: AsyncEngine) -> None:
        guard, another = Guard(mine), Guard(mine)
        async with guard.share({}) as stays, another.share({}) as waits:
            assert await stays.lock(OTHER)
            async with guard.share({}) as leaves:
                assert await leaves.lock(KEY)
                assert not await waits.lock(KEY)
            assert await waits.lock(KEY)
            assert not await waits.lock(OTHER)

    async def test_the_last_one_closes_the_connection(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        async with Guard(mine).share({}) as share:
            assert await share.lock(KEY)

        async def gone() -> None:
            assert await count(looking, name) == 0

        await eventually(gone)

    async def test_nobody_trusts_a_lock_of_a_connection_that_broke(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        guard = Guard(mine)
        async with guard.share({}) as one:
            assert await one.lock(KEY)
            async with looking.connect() as db:
                assert await db.scalar(END, {"name": name}) == 1
            with pytest.raises(DBAPIError):
                await one.look()
            async with guard.share({}) as three:
                await three.look()
                with pytest.raises(Unavailable):
                    await one.look()
                assert await three.lock(KEY)


class TestUnused:
    async def test_what_nobody_used_is_closed_and_made_again(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        unused = Unused(mine)
        async with mine.connect() as used:
            await used.execute(text("select 1"))
            async with mine.connect() as db:
                await db.execute(text("select 1"))
            assert await count(looking, name) == 2
            unused.close(60)
            assert await count(looking, name) == 2
            unused.close(0)

            async def closed() -> None:
                assert await count(looking, name) == 1

            await eventually(closed)
            assert await used.scalar(text("select 1")) == 1
            async with mine.connect() as db:
                assert await db.scalar(text("select 2")) == 2
