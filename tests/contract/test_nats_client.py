"""The one way to connect to NATS: it outlives restarts, and ends what has too few rights."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from shared.adapters import nats_client
from tests.brokers import configured_broker, own_broker
from tests.eventually import eventually

SECONDS = 120.0
RIGHTS = """
authorization { users: [ {
  user: u, password: p
  permissions: { publish: ["free", "_INBOX.>"], subscribe: ["free", "_INBOX.>"] }
} ] }
"""


@pytest.fixture
async def restricted(tmp_path: Path) -> AsyncIterator[str]:
    """URL of a broker on which only the subject `free` is allowed."""
    async with configured_broker(tmp_path, RIGHTS) as address:
        yield f"nats://u:p@{address}"


@pytest.mark.parametrize("killed", [False, True])
async def test_a_connection_outlives_a_restart_of_the_broker(tmp_path: Path, killed: bool) -> None:
    async with own_broker(tmp_path / "data") as broker:
        client = await nats_client.connect(broker.url, "test")
        try:
            heard: list[bytes] = []

            async def on_message(message: object) -> None:
                heard.append(getattr(message, "data", b""))

            await client.subscribe("news", cb=on_message)
            for round_ in (b"1", b"2"):
                if killed:
                    broker.child.kill()
                    await broker.child.wait()
                await broker.stop()
                await broker.start()

                async def arrives(said: bytes = round_) -> None:
                    await client.publish("news", said)
                    await client.flush()
                    assert said in heard

                await eventually(arrives)
        finally:
            await client.close()


async def test_what_was_subscribed_to_is_known_to_the_broker_at_once(tmp_path: Path) -> None:
    """So often that it would fail if the broker were only likely to know it."""
    async with own_broker(tmp_path / "data") as broker:
        near, far = [await nats_client.connect(broker.url, name) for name in ("near", "far")]

        async def answer(message: Msg) -> None:
            await message.respond(b"")

        try:
            for n in range(300):
                kept = [await near.subscribe(f"{n}.{m}", cb=answer) for m in range(20)]
                await nats_client.taken_in(near)
                await far.request(f"{n}.19", timeout=SECONDS)
                for one in kept:
                    await one.unsubscribe()
        finally:
            await near.close()
            await far.close()


async def test_a_refused_publish_is_fatal(restricted: str) -> None:
    fatal = asyncio.Event()
    client = await nats_client.connect(restricted, "test", on_fatal=fatal.set)
    try:
        await client.publish("free", b"")
        await client.flush()
        assert not fatal.is_set()
        await client.publish("forbidden", b"")
        await asyncio.wait_for(fatal.wait(), 30)
    finally:
        await client.close()


async def test_a_refused_subscription_is_fatal(restricted: str) -> None:
    fatal = asyncio.Event()
    client = await nats_client.connect(restricted, "test", on_fatal=fatal.set)
    try:
        await client.subscribe("forbidden")
        await asyncio.wait_for(fatal.wait(), 30)
    finally:
        await client.close()


async def test_a_lost_connection_is_not_fatal(tmp_path: Path) -> None:
    fatal = asyncio.Event()
    async with own_broker(tmp_path / "data") as broker:
        client = await nats_client.connect(broker.url, "test", on_fatal=fatal.set)
        try:
            await broker.stop()

            async def noticed() -> None:
                assert not client.is_connected

            await eventually(noticed)
            await broker.start()

            async def back() -> None:
                assert client.is_connected

            await eventually(back)
            assert not fatal.is_set()
        finally:
            await client.close()


async def test_fatal_ends_the_process_for_its_supervisor_to_start_it_anew(restricted: str) -> None:
    program = (
        "import asyncio\n"
        "from shared.adapters import nats_client\n"
        "async def main():\n"
        f"    client = await nats_client.connect({restricted!r}, 'test')\n"
        "    await client.publish('forbidden', b'')\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == -signal.SIGTERM
