"""Messages from a real broker: in order per key, each once, and none without an end."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from asyncpg import CannotConnectNowError
from nats.aio.client import Client
from sqlalchemy.exc import DBAPIError

from shared.adapters import nats_client
from shared.kernel.errors import Unavailable, Unusable
from shared.runtime.consumer import DEATHS, Consumer, Delivery, Poison
from tests.brokers import own_broker
from tests.eventually import eventually
from tests.integration.queues import SECONDS, Queue, place, working


@pytest.fixture
async def queue(client: Client) -> Queue:
    return await Queue(client).make()


class TestOrder:
    async def test_is_kept_per_key_while_keys_run_beside_each_other(self, queue: Queue) -> None:
        done: dict[str, list[int]] = defaultdict(list)
        inside: set[str] = set()
        all_at_once = asyncio.Barrier(3)

        async def handle(delivery: Delivery) -> None:
            key, n = place(delivery)
            assert key not in inside, "two messages of one key at once"
            inside.add(key)
            if n == 0:
                await asyncio.wait_for(all_at_once.wait(), SECONDS)
            await asyncio.sleep(0.001 * (n % 3))
            done[key].append(n)
            inside.discard(key)

        for n in range(10):
            for key in "abc":
                await queue.put(key, n)
        async with working(queue.consumer(handle)):
            await queue.emptied()
        assert done == {key: list(range(10)) for key in "abc"}

    async def test_no_more_than_the_wanted_number_are_handled_at_once(self, queue: Queue) -> None:
        inside = most = 0
        full = asyncio.Event()

        async def handle(_delivery: Delivery) -> None:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            if inside == 3:
                full.set()
            await asyncio.wait_for(full.wait(), SECONDS)
            await asyncio.sleep(0.01)
            inside -= 1

        for n in range(20):
            await queue.put(f"key-{n}", n)
        async with working(queue.consumer(handle, concurrency=3)):
            await queue.emptied()
        assert most == 3

    async def test_what_comes_while_it_gives_way_is_taken_together(self, queue: Queue) -> None:
        may_go_on, gives_way = asyncio.Event(), asyncio.Event()
        handled: list[tuple[str, int]] = []

        async def handle(delivery: Delivery) -> None:
            handled.append(place(delivery))

        async def give_way() -> None:
            gives_way.set()
            await may_go_on.wait()

        async with working(queue.consumer(handle, give_way=give_way)):
            await queue.put("a", 0)
            await gives_way.wait()
            await queue.put("b", 1)
            assert handled == []
            may_go_on.set()
            await queue.emptied()
        assert sorted(handled) == [("a", 0), ("b", 1)]

    async def test_replicas_share_the_work(self, queue: Queue) -> None:
        handled: list[list[tuple[str, int]]] = [[], []]
        both = asyncio.Event()

        def replica(mine: list[tuple[str, int]]) -> Consumer:
            async def handle(delivery: Delivery) -> None:
                mine.append(place(delivery))
                if all(handled):
                    both.set()
                await asyncio.wait_for(both.wait(), SECONDS)

            return queue.consumer(handle, concurrency=2)

        for n in range(40):
            await queue.put(f"key-{n}", n)
        async with working(*map(replica, handled)):
            await queue.emptied()
        together = handled[0] + handled[1]
        assert sorted(together) == sorted((f"key-{n}", n) for n in range(40))


ACK_WAIT = 4.5
"""The broker is told of work in progress every third of it: a busy machine may take the others."""
WORK_SECONDS = 1.6


@pytest.fixture(scope="class")
async def attempts(client: Client) -> dict[str, list[int]]:
    """Which attempts there were at messages that together take longer than the broker waits.

    All cases run side by side: nearly all of it is waiting.
    """
    found: dict[str, list[int]] = {}

    async def case(name: str, keys: Sequence[str], replicas: int = 1, rounds: int = 1) -> None:
        queue = await Queue(client).make()
        found[name] = []

        async def handle(delivery: Delivery) -> None:
            found[name].append(delivery.attempt)
            await asyncio.sleep(WORK_SECONDS * rounds)

        for n, key in enumerate(keys):
            await queue.put(key, n)
        consumers = [
            queue.consumer(handle, concurrency=2, max_attempts=2, ack_wait=ACK_WAIT)
            for _ in range(replicas)
        ]
        async with working(*consumers):
            await queue.emptied()

    async with asyncio.TaskGroup() as cases:
        cases.create_task(case("one", "a", replicas=2, rounds=4))
        cases.create_task(case("many keys", "abcdefgh"))
        cases.create_task(case("one key", "aaaa"))
    return found


@pytest.mark.timeout(600)
class TestSlowWork:
    async def test_is_not_given_to_another_while_it_goes_on(
        self, attempts: dict[str, list[int]]
    ) -> None:
        assert attempts["one"] == [1]

    async def test_costs_those_that_wait_behind_it_no_attempt(
        self, attempts: dict[str, list[int]]
    ) -> None:
        """A message that waits for a place must not look like one that killed its worker."""
        assert attempts["many keys"] == [1] * 8

    async def test_of_one_key_costs_the_next_of_it_no_attempt(
        self, attempts: dict[str, list[int]]
    ) -> None:
        assert attempts["one key"] == [1] * 4


class TestFailing:
    async def test_is_tried_again_until_it_succeeds(self, queue: Queue) -> None:
        attempts: list[int] = []

        async def handle(delivery: Delivery) -> None:
            attempts.append(delivery.attempt)
            if delivery.attempt == 1:
                raise Unavailable("not yet")

        await queue.put("a", 1)
        async with working(queue.consumer(handle)):
            await queue.emptied()
        assert attempts == [1, 2]

    async def test_at_the_last_attempt_is_given_up_with_the_reason(self, queue: Queue) -> None:
        given_up: list[tuple[int, str]] = []

        async def handle(_delivery: Delivery) -> None:
            raise RuntimeError("always")

        async def give_up(delivery: Delivery, reason: str) -> None:
            given_up.append((delivery.attempt, reason))

        await queue.put("a", 1)
        async with working(queue.consumer(handle, give_up, max_attempts=2)):
            await queue.emptied()
        assert given_up == [(2, "always")]

    async def test_a_database_that_is_away_is_no_fault_of_the_message(self, queue: Queue) -> None:
        attempts: list[int] = []
        given_up: list[str] = []

        async def handle(delivery: Delivery) -> None:
            attempts.append(delivery.attempt)
            if delivery.attempt < 4:
                raise DBAPIError("select 1", None, Exception()) from CannotConnectNowError()

        async def give_up(_delivery: Delivery, reason: str) -> None:
            given_up.append(reason)

        await queue.put("a", 1)
        async with working(queue.consumer(handle, give_up, max_attempts=2)):
            await queue.emptied()
        assert (attempts, given_up) == ([1, 2, 3, 4], [])

    async def test_of_one_message_does_not_hold_up_other_keys(self, queue: Queue) -> None:
        done: list[tuple[str, int]] = []

        async def handle(delivery: Delivery) -> None:
            if place(delivery)[0] == "bad":
                raise RuntimeError("always")
            done.append(place(delivery))

        async def give_up(_delivery: Delivery, _reason: str) -> None:
            assert len(done) == 5, "the others waited"

        await queue.put("bad", 1)
        await queue.put("good", *range(5))
        async with working(queue.consumer(handle, give_up, max_attempts=2)):
            await queue.emptied()

    async def test_poison_is_given_up_at_once(self, queue: Queue) -> None:
        attempts: list[int] = []
        given_up: list[str] = []

        async def handle(delivery: Delivery) -> None:
            attempts.append(delivery.attempt)
            raise Poison("not JSON")

        async def give_up(_delivery: Delivery, reason: str) -> None:
            given_up.append(reason)

        await queue.put("a", 1)
        async with working(queue.consumer(handle, give_up)):
            await queue.emptied()
        assert (attempts, given_up) == ([1], ["not JSON"])

    async def test_a_message_whose_worker_dies_every_time_is_given_up(self, queue: Queue) -> None:
        handled: list[Delivery] = []
        given_up: list[str] = []

        async def handle(delivery: Delivery) -> None:
            handled.append(delivery)

        async def give_up(_delivery: Delivery, reason: str) -> None:
            given_up.append(reason)

        consumer = queue.consumer(handle, give_up, max_attempts=2, ack_wait=0.3)
        await consumer.ensure()
        await queue.put("a", 1)
        dying = await queue.js.pull_subscribe_bind(consumer="worker", stream=queue.name)
        for attempt in range(1, 2 * DEATHS + 1):
            [taken] = await dying.fetch(1, timeout=SECONDS)
            assert taken.metadata.num_delivered == attempt
        await dying.unsubscribe()
        async with working(consumer):
            await queue.emptied()
        assert (handled, given_up) == ([], ["the worker died at every attempt"])

    async def test_what_cannot_even_be_given_up_stays(self, queue: Queue) -> None:
        tried = asyncio.Event()

        async def handle(_delivery: Delivery) -> None:
            raise Poison("not JSON")

        async def give_up(_delivery: Delivery, _reason: str) -> None:
            tried.set()
            raise Unavailable("dead letter not stored")

        await queue.put("a", 1)
        async with working(queue.consumer(handle, give_up)):
            await asyncio.wait_for(tried.wait(), SECONDS)
        assert await queue.left() == 1

    async def test_what_this_process_must_not_run_with_ends_it_and_costs_nothing(
        self, queue: Queue
    ) -> None:
        async def handle(_delivery: Delivery) -> None:
            raise Unusable("an event of a newer version")

        await queue.put("a", 1)
        consumer = queue.consumer(handle, max_attempts=1)
        await consumer.ensure()
        with pytest.raises(ExceptionGroup) as ended:
            await asyncio.wait_for(consumer.run(asyncio.Event()), SECONDS)
        assert ended.group_contains(Unusable, match="newer version")
        assert await queue.left() == 1


class TestStopping:
    async def test_finishes_what_was_begun_and_begins_nothing(self, queue: Queue) -> None:
        begun: list[int] = []
        done: list[int] = []
        both_begun, release = asyncio.Event(), asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            begun.append(place(delivery)[1])
            if len(begun) == 2:
                both_begun.set()
            await release.wait()
            done.append(place(delivery)[1])

        for n in range(5):
            await queue.put(f"key-{n}", n)
        async with working(queue.consumer(handle, concurrency=2)) as stopping:
            await asyncio.wait_for(both_begun.wait(), SECONDS)
            stopping.set()
            await asyncio.sleep(0.05)
            assert done == []
            release.set()
        assert sorted(done) == sorted(begun)
        assert len(done) == 2

        async def the_rest_is_left() -> None:
            assert await queue.left() == 3

        await eventually(the_rest_is_left, SECONDS)

    async def test_leaves_the_rest_to_the_next(self, queue: Queue) -> None:
        done: list[int] = []
        first = asyncio.Event()

        async def handle(delivery: Delivery) -> None:
            first.set()
            await asyncio.sleep(0.01)
            done.append(place(delivery)[1])

        for n in range(30):
            await queue.put(f"key-{n}", n)
        async with working(queue.consumer(handle, concurrency=2, ack_wait=1)) as stopping:
            await asyncio.wait_for(first.wait(), SECONDS)
            stopping.set()
        assert len(done) < 30
        async with working(queue.consumer(handle, concurrency=2, ack_wait=1)):
            await queue.emptied()
        assert sorted(done) == list(range(30))


class TestGoingOn:
    async def test_after_the_durable_was_deleted(self, queue: Queue) -> None:
        done: list[int] = []

        async def handle(delivery: Delivery) -> None:
            done.append(place(delivery)[1])

        async with working(queue.consumer(handle)):
            await queue.put("a", 1)
            await queue.emptied()
            await queue.js.delete_consumer(queue.name, "worker")
            await queue.put("a", 2)
            await queue.emptied()
        assert done == [1, 2]

    @pytest.mark.parametrize("killed", [False, True])
    async def test_after_a_restart_of_the_broker(self, tmp_path: Path, killed: bool) -> None:
        done: list[int] = []

        async def handle(delivery: Delivery) -> None:
            done.append(place(delivery)[1])

        async with own_broker(tmp_path / "data") as broker:
            connected = await nats_client.connect(broker.url, "worker")
            try:
                queue = await Queue(connected).make()
                async with working(queue.consumer(handle)):
                    await queue.put("a", 1)
                    await queue.emptied()
                    if killed:
                        broker.child.kill()
                        await broker.child.wait()
                    await broker.stop()
                    await broker.start()

                    async def back() -> None:
                        assert connected.is_connected

                    await eventually(back)
                    await queue.put("a", 2, 3)
                    await queue.emptied()
            finally:
                await connected.close()
        assert done == [1, 2, 3]


class TestDelivery:
    async def test_tells_everything_about_the_attempt(self, queue: Queue) -> None:
        seen: list[Delivery] = []

        async def handle(delivery: Delivery) -> None:
            seen.append(delivery)

        await queue.put("a", 7)
        async with working(queue.consumer(handle)):
            await queue.emptied()
        [delivery] = seen
        expected: Sequence[object] = (queue.name, "worker", f"{queue.name}.a.7", b"7", 1, 1)
        assert (
            delivery.stream,
            delivery.consumer,
            delivery.subject,
            delivery.data,
            delivery.attempt,
            delivery.sequence,
        ) == tuple(expected)
        assert delivery.tenant_id == "acme"
