"""Jobs of several tenants on a real broker: each in its turn, none twice, none forgotten."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from nats.aio.client import Client

from shared.adapters.topology import lane_consumer
from shared.kernel.errors import Unavailable
from shared.kernel.ids import new_id
from shared.runtime import lanes
from shared.runtime.consumer import Delivery
from shared.runtime.lanes import STREAM, Lanes
from tests.eventually import eventually

FLOOD = 300
SECONDS = 120.0

Handle = Callable[[Delivery], Awaitable[None]]


class Queues:
    """The queue of jobs as two tenants fill it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.js = client.jetstream()
        self.many, self.one = f"many-{new_id()}", f"one-{new_id()}"

    async def put(self, tenant: str, count: int = 1) -> None:
        for n in range(count):
            await self.js.publish(f"job.{tenant}.source.s{n}.ingest", b"", stream=STREAM)

    def lanes(self, handle: Handle, *, places: int = 8, share: int = 4) -> Lanes:
        async def mine(delivery: Delivery) -> None:
            if tenant_of(delivery) in (self.many, self.one):
                await handle(delivery)

        async def never(delivery: Delivery, reason: str) -> None:
            raise AssertionError(f"{delivery.subject} was given up: {reason}")

        return Lanes(
            self.client,
            "worker",
            mine,
            never,
            key=lambda subject: subject.rsplit(".", 1)[0],
            places=places,
            share=share,
        )

    async def left(self, tenant: str) -> int:
        info = await self.js.stream_info(STREAM, subjects_filter=f"job.{tenant}.>")
        return len(info.state.subjects or {})

    async def emptied(self, tenant: str) -> None:
        async def look() -> None:
            assert await self.left(tenant) == 0

        await eventually(look, SECONDS)

    async def consumers(self) -> set[str]:
        return {info.name for info in await self.js.consumers_info(STREAM)}


@pytest.fixture
async def queues(client: Client) -> AsyncIterator[Queues]:
    made = Queues(client)
    yield made
    for tenant in (made.many, made.one):
        await made.js.purge_stream(STREAM, subject=f"job.{tenant}.>")


@asynccontextmanager
async def working(*working_lanes: Lanes) -> AsyncIterator[None]:
    """All of them running; they drain when the block ends."""
    stopping = asyncio.Event()
    for one in working_lanes:
        await one.ensure()
    tasks = [asyncio.ensure_future(one.run(stopping)) for one in working_lanes]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)


def tenant_of(delivery: Delivery) -> str:
    return delivery.subject.split(".")[1]


class TestAFlood:
    async def test_of_one_tenant_leaves_the_only_job_of_another_its_turn(
        self, queues: Queues
    ) -> None:
        done: Counter[str] = Counter()
        before: list[int] = []

        async def handle(delivery: Delivery) -> None:
            await asyncio.sleep(0.02)
            tenant = tenant_of(delivery)
            done[tenant] += 1
            if tenant == queues.one:
                before.append(done[queues.many])

        await queues.put(queues.many, FLOOD)
        async with working(queues.lanes(handle)):

            async def begun() -> None:
                assert done[queues.many]

            await eventually(begun, SECONDS)
            await queues.put(queues.one)
            at = done[queues.many]
            await queues.emptied(queues.one)
            await queues.emptied(queues.many)
        assert done == {queues.many: FLOOD, queues.one: 1}
        assert before[0] - at < FLOOD / 3

    async def test_of_jobs_that_do_not_end_holds_only_its_own_tenant(self, queues: Queues) -> None:
        released = asyncio.Event()
        begun = 0

        async def handle(delivery: Delivery) -> None:
            nonlocal begun
            if tenant_of(delivery) == queues.many:
                begun += 1
                await released.wait()

        await queues.put(queues.many, 20)
        async with working(queues.lanes(handle)):

            async def all_that_may() -> None:
                assert begun == 4

            await eventually(all_that_may, SECONDS)
            await queues.put(queues.one, 3)
            await queues.emptied(queues.one)
            assert begun == 4
            released.set()
            await queues.emptied(queues.many)

    async def test_has_its_share_once_however_many_replicas_there_are(self, queues: Queues) -> None:
        inside = most = 0
        full = asyncio.Event()

        async def handle(_delivery: Delivery) -> None:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            if inside == 3:
                full.set()
            await asyncio.wait_for(full.wait(), SECONDS)
            await asyncio.sleep(0.005)
            inside -= 1

        await queues.put(queues.many, 60)
        async with working(*(queues.lanes(handle, share=3) for _ in range(2))):
            await queues.emptied(queues.many)
        assert most == 3


class TestALane:
    async def test_is_opened_for_jobs_that_wait_at_the_start_and_for_those_that_come(
        self, queues: Queues
    ) -> None:
        async def handle(_delivery: Delivery) -> None:
            return

        await queues.put(queues.many, 2)
        async with working(queues.lanes(handle)):
            await queues.emptied(queues.many)
            await queues.put(queues.one)
            await queues.emptied(queues.one)

    async def test_that_was_closed_opens_again(
        self, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lanes, "LOOK_SECONDS", 0.05)

        async def handle(_delivery: Delivery) -> None:
            return

        it = queues.lanes(handle)

        async def closed() -> None:
            assert not it.tenants

        async with working(it):
            for _ in range(3):
                await queues.put(queues.one)
                await queues.emptied(queues.one)
                await eventually(closed, SECONDS)

    async def test_tries_again_what_failed(self, queues: Queues) -> None:
        attempts: list[int] = []

        async def handle(delivery: Delivery) -> None:
            attempts.append(delivery.attempt)
            if delivery.attempt < 3:
                raise Unavailable("not yet")

        await queues.put(queues.one)
        async with working(queues.lanes(handle)):
            await queues.emptied(queues.one)
        assert attempts == [1, 2, 3]

    async def test_takes_over_from_a_consumer_that_outlived_its_use(self, queues: Queues) -> None:
        async def handle(_delivery: Delivery) -> None:
            return

        old = lane_consumer("old", queues.one, 1).evolve(inactive_threshold=None)
        await queues.js.add_consumer(STREAM, old)
        async with working(queues.lanes(handle)):
            await queues.put(queues.one)
            await queues.emptied(queues.one)
            assert old.durable_name not in await queues.consumers()
