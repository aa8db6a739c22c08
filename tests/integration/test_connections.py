"""How many connections a service keeps, and that locks are lost with theirs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from shared.adapters.connections import EVERY_TENANT, Connected, Connections
from shared.adapters.guard import Guard
from shared.adapters.postgres import POOL_SIZE, create_engine, seeing
from shared.adapters.unused import Unused
from shared.embedded.servers import Servers
from shared.kernel.errors import Unavailable
from tests.eventually import eventually

KEY, OTHER = 1_000_001, 1_000_002
OPEN = text("select count(*) from pg_stat_activity where application_name = :name")
END = text(
    "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = :name"
)
WHOSE = text("select current_setting('app.tenant_id')")


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


async def _closed(found: Connected) -> None:
    assert found.driver.is_closed()


async def count(engine: AsyncEngine, name: str) -> int:
    async with engine.connect() as db:
        return int(await db.scalar(OPEN, {"name": name}) or 0)


class TestLocks:
    async def test_all_are_held_by_one_connection(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        guard = Guard(mine)
        async with guard.share() as one, guard.share() as two:
            assert all(await asyncio.gather(one.lock(KEY), two.lock(OTHER)))
            assert await count(looking, name) == 1

    async def test_each_lets_go_what_it_locked(self, mine: AsyncEngine) -> None:
        guard, another = Guard(mine), Guard(mine)
        async with guard.share() as stays, another.share() as waits:
            assert await stays.lock(OTHER)
            async with guard.share() as leaves:
                assert await leaves.lock(KEY)
                assert not await waits.lock(KEY)
            assert await waits.lock(KEY)
            assert not await waits.lock(OTHER)

    async def test_the_last_one_closes_the_connection(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        async with Guard(mine).share() as share:
            assert await share.lock(KEY)

        async def gone() -> None:
            assert await count(looking, name) == 0

        await eventually(gone)

    async def test_nobody_trusts_a_lock_of_a_connection_that_broke(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        guard = Guard(mine)
        async with guard.share() as one:
            assert await one.lock(KEY)
            async with looking.connect() as db:
                assert await db.scalar(END, {"name": name}) == 1
            with pytest.raises(DBAPIError):
                await one.look()
            async with guard.share() as three:
                await three.look()
                with pytest.raises(Unavailable):
                    await one.look()
                assert await three.lock(KEY)


class TestKept:
    async def test_one_is_taken_again_without_the_pool(self, mine: AsyncEngine) -> None:
        at_hand = Connections.of(mine)
        async with at_hand.one("public") as first, at_hand.one("public") as second:
            assert first.driver is not second.driver
        async with at_hand.one("public") as again:
            assert again is first
            assert at_hand.unused == 1

    async def test_the_one_with_the_same_eyes_comes_first(self, mine: AsyncEngine) -> None:
        at_hand = Connections.of(mine)
        first, second = (seeing(at_hand, "public", ("none", tenant)) for tenant in "ab")
        async with first as a, second as b:
            assert a is not b
        for eyes, expected in ((("none", "b"), b), (("none", "a"), a), (("none", "b"), b)):
            async with seeing(at_hand, "public", eyes) as found:
                assert found is expected
                assert await found.db.scalar(WHOSE) == eyes[1]

    async def test_what_fails_is_left_to_the_pool_which_takes_its_eyes_off(
        self, mine: AsyncEngine
    ) -> None:
        at_hand = Connections.of(mine)
        with pytest.raises(DBAPIError):
            async with seeing(at_hand, "public", ("none", "a")) as found:
                await found.db.execute(text("select 1 / 0"))
        assert at_hand.unused == 0
        async with mine.connect() as db:
            assert await db.scalar(WHOSE) == EVERY_TENANT

    async def test_one_that_the_server_closed_is_not_taken(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        at_hand = Connections.of(mine)
        async with at_hand.one("public") as found:
            pass
        async with looking.connect() as db:
            assert await db.scalar(END, {"name": name}) == 1
        await eventually(partial(_closed, found))
        async with at_hand.one("public") as another:
            assert await another.db.scalar(text("select 1")) == 1

    async def test_one_that_was_cancelled_is_ended(self, mine: AsyncEngine) -> None:
        at_hand = Connections.of(mine)

        async def look() -> None:
            async with at_hand.one("public") as found:
                began.set()
                await found.driver.execute("select pg_sleep(60)")

        began = asyncio.Event()
        task = asyncio.ensure_future(look())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert at_hand.unused == 0
        assert isinstance(mine.pool, QueuePool)
        assert mine.pool.checkedout() == 0

    async def test_who_waits_for_the_pool_gets_what_nobody_uses(self, mine: AsyncEngine) -> None:
        at_hand, pool = Connections.of(mine), mine.pool
        assert isinstance(pool, QueuePool)
        async with AsyncExitStack() as stack:
            for _ in range(2 * POOL_SIZE - 1):
                await stack.enter_async_context(mine.connect())
            async with at_hand.one("public"):
                waits = asyncio.ensure_future(mine.connect().start())
                await asyncio.sleep(0)
            await (await waits).close()


class TestUnused:
    async def test_what_is_at_hand_is_closed_too(
        self, mine: AsyncEngine, looking: AsyncEngine, name: str
    ) -> None:
        unused, at_hand = Unused(mine), Connections.of(mine)
        async with at_hand.one("public"):
            pass
        unused.close(60)
        assert at_hand.unused == 1
        unused.close(0)
        assert at_hand.unused == 0

        async def gone() -> None:
            assert await count(looking, name) == 0

        await eventually(gone)

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
