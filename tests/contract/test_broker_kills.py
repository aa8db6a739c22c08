"""A broker that is killed at any moment keeps its streams and what it acknowledged."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.errors import Error as JetStreamError

from shared.adapters import nats_client
from shared.adapters.topology import command_consumer, ensure_consumer, ensure_streams
from shared.embedded.nats_server import NatsServer
from tests.brokers import own_broker

KILLS = 25


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with own_broker(tmp_path / "data") as running:
        yield running


async def work(client: Client, waiting: set[str], settled: set[str]) -> None:
    """Publish commands and settle most of them at once, as services do; note what is sure."""
    js = client.jetstream(timeout=30)
    taking = await js.pull_subscribe_bind("x", "CMDS")
    for n in range(10_000):
        name = f"{id(client)}-{n}"
        await js.publish("cmd.t.a.b.c", name.encode(), stream="CMDS")
        waiting.add(name)
        if random.random() < 0.8:  # noqa: S311  no secret
            for message in await taking.fetch(2, timeout=10):
                # From here on it may be gone, told or not.
                settled.add(message.data.decode())
                await message.ack_sync(timeout=10)


async def kept(client: Client) -> set[str]:
    """What the queue holds, read without taking it."""
    js = client.jetstream(timeout=10)
    found: set[str] = set()
    state = (await js.stream_info("CMDS")).state
    for sequence in range(state.first_seq, state.last_seq + 1):
        with suppress(JetStreamError):
            found.add(((await js.get_msg("CMDS", sequence)).data or b"").decode())
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_work_queue_outlives_kills_while_it_runs_empty(broker: NatsServer) -> None:
    waiting: set[str] = set()
    settled: set[str] = set()
    client = await nats_client.connect(broker.url, "first")
    await ensure_streams(client)
    await ensure_consumer(
        client, "CMDS", command_consumer("x", ["a"]).evolve(filter_subjects=None, ack_wait=1)
    )
    await client.close()
    for _ in range(KILLS):
        client = await nats_client.connect(broker.url, "worker", on_fatal=lambda: None)
        working = asyncio.create_task(work(client, waiting, settled))
        enough = len(settled) + random.randint(1, 9)  # noqa: S311  no secret
        while len(settled) < enough and not working.done():
            await asyncio.sleep(0.001)
        await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311  no secret
        broker.child.kill()
        await broker.child.wait()
        working.cancel()
        with suppress(asyncio.CancelledError, nats.errors.Error, JetStreamError, TimeoutError):
            await working
        with suppress(ConnectionError):
            await client.close()
        await broker.stop()
        await broker.start()
        looking = await nats_client.connect(broker.url, "looking")
        names = {s.config.name for s in await looking.jetstream().streams_info()}
        assert {"CMDS", "EVENTS", "JOBS"} <= names
        assert waiting - settled <= await kept(looking)
        await looking.close()
    assert len(settled) > KILLS
