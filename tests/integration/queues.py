"""Work queues on a real broker, and consumers that work them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.js import api

from shared.kernel.ids import new_id
from shared.runtime.consumer import Consumer, Delivery
from tests.eventually import eventually

SECONDS = 120.0
"""Whoever waits so long waits for ever, also on a busy machine."""


class Queue:
    """A work queue of its own, `<name>.<key>.<n>`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.js = client.jetstream()
        self.name = f"queue-{new_id()}"

    async def make(self) -> "Queue":
        await self.js.add_stream(
            name=self.name,
            subjects=[f"{self.name}.*.*"],
            retention=api.RetentionPolicy.WORK_QUEUE,
            storage=api.StorageType.FILE,
        )
        return self

    async def put(self, key: str, *numbers: int) -> None:
        for n in numbers:
            headers = {"ce-tenant": "acme"}
            await self.js.publish(f"{self.name}.{key}.{n}", b"%d" % n, headers=headers)

    def consumer(
        self,
        handle: Callable[[Delivery], Awaitable[None]],
        give_up: Callable[[Delivery, str], Awaitable[None]] | None = None,
        *,
        concurrency: int = 8,
        max_attempts: int = 3,
        ack_wait: float = 30,
        give_way: Callable[[], Awaitable[None]] | None = None,
    ) -> Consumer:
        async def never(delivery: Delivery, reason: str) -> None:
            raise AssertionError(f"{delivery.subject} was given up: {reason}")

        config = api.ConsumerConfig(
            durable_name="worker",
            filter_subjects=[f"{self.name}.>"],
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=ack_wait,
            max_deliver=-1,
        )
        return Consumer(
            self.client,
            self.name,
            config,
            handle,
            give_up or never,
            key=lambda subject: subject.rsplit(".", 1)[0],
            concurrency=concurrency,
            max_attempts=max_attempts,
            give_way=give_way,
        )

    async def left(self) -> int:
        return int((await self.js.stream_info(self.name)).state.messages)

    async def emptied(self) -> None:
        async def look() -> None:
            assert await self.left() == 0

        await eventually(look, SECONDS)


@asynccontextmanager
async def working(*consumers: Consumer) -> AsyncIterator[asyncio.Event]:
    """All of them running; they drain when the block ends or the event is set."""
    stopping = asyncio.Event()
    for consumer in consumers:
        await consumer.ensure()
    tasks = [asyncio.ensure_future(consumer.run(stopping)) for consumer in consumers]
    try:
        yield stopping
    finally:
        stopping.set()
        await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)


def place(delivery: Delivery) -> tuple[str, int]:
    _, key, n = delivery.subject.rsplit(".", 2)
    return key, int(n)
