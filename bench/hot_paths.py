"""The two requests that matter most, each beside its floor in the same run.

A list of fifty, beside a bare FastAPI route that returns the same JSON; a write, beside bare
publishes to the stream of a broker that syncs each of them. `python -m bench.hot_paths [--quick]`
measures this alone.
"""

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from bench import floor
from bench.alone import measure_alone
from bench.load import Latency, many, open_loop, sequential
from bench.wire import Wire
from shared.adapters import nats_client
from shared.adapters.topology import ensure_streams
from shared.embedded.servers import embedded_servers
from tests.harness import Tenant

SOURCES = 50
AT_ONCE = (1, 16)
READ_RATE, WRITE_RATE = 100, 50
"""A second, in the open loop."""
BODY = 400
"""Bytes of a bare publish: as many as a small event has."""

Send = Callable[[], Awaitable[None]]


async def both(url: str, token: str, bot: str, *, quick: bool) -> dict[str, Any]:
    """Lists and writes of one tenant, with their floors."""
    count, seconds = (50, 1.0) if quick else (3000, 10.0)
    async with Wire(url, token) as wire:
        source = {"bot_profile_id": bot, "source_type": "text", "content": "A word."}
        writes = (wire.request("POST", "/v1/sources", {**source, "name": "One"}), wire.good)
        for _ in range(SOURCES):
            await wire.good(writes[0])
        listing = wire.request("GET", f"/v1/sources?limit={SOURCES}")
        told = (await wire.send(listing)).body
        assert len(json.loads(told)) == SOURCES
        found = {"list of 50": await throughput(lambda: wire.good(listing), count)}
        found["list of 50"] |= await steadily(lambda: wire.good(listing), READ_RATE, seconds)
        found["list of 50"] |= await just_written(wire, writes[0], listing, count // 10)
        found["write"] = await throughput(lambda: wire.good(writes[0]), count // 5)
        found["write"] |= await steadily(lambda: wire.good(writes[0]), WRITE_RATE, seconds)
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        listed = Path(folder) / "list.json"
        listed.write_bytes(told)
        with floor.running(listed) as bare:
            async with Wire(bare) as wire:
                asked = wire.request("GET", "/list")
                found["list of 50, floor"] = await throughput(lambda: wire.good(asked), count)
    return found


async def just_written(wire: Wire, write: bytes, listing: bytes, count: int) -> dict[str, float]:
    """Of a list right after a write, which no memory holds; other services still hear of that
    write meanwhile. Milliseconds.
    """
    took = []
    for _ in range(count):
        await wire.good(write)
        began = time.perf_counter()
        await wire.good(listing)
        took.append((time.perf_counter() - began) * 1000)
    return {"p50 ms right after a write": median(took)}


async def publishes(folder: Path, *, quick: bool) -> dict[str, float]:
    """Bare publishes over one connection to the command stream."""
    count = 50 if quick else 3000
    async with embedded_servers(folder) as servers:
        client = await nats_client.connect(servers.nats_url, "bench")
        await ensure_streams(client)
        stream = client.jetstream()
        numbers = iter(range(10**9))

        async def send() -> None:
            await stream.publish(f"evt.bench.thing.t{next(numbers)}.made", b"x" * BODY)

        found = await throughput(send, count)
        await client.close()
    return found


async def throughput(send: Send, count: int) -> dict[str, float]:
    """How many a second, by one client and by several; the best of two runs each."""
    await sequential(send, min(count, 50))
    found = {}
    for at_once in AT_ONCE:
        runs = [await many(send, count, at_once) for _ in range(2)]
        found[f"per second, {at_once} at once"] = max(runs)
    return found


async def steadily(send: Send, rate: float, seconds: float) -> dict[str, float]:
    """Latencies at a fixed rate, in milliseconds; the better of two runs."""
    runs: list[Latency] = [await open_loop(send, rate, seconds) for _ in range(2)]
    best = asdict(min(runs, key=lambda run: run.p99))
    return {f"{name} ms at {rate}/s": best[name] for name in ("p50", "p99")}


def measure(url: str, *, quick: bool) -> dict[str, Any]:
    """All figures, and the ratios that the targets are about."""
    tenant = Tenant(url, f"bench-{uuid.uuid4().hex[:8]}")
    try:
        found = asyncio.run(both(url, tenant.token, tenant.bot(), quick=quick))
    finally:
        tenant.close()
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        Path(folder).chmod(0o711)  # Postgres has a user of its own where we are root
        found["write, floor"] = asyncio.run(publishes(Path(folder) / "data", quick=quick))
    for name in ("list of 50", "write"):
        for at_once in AT_ONCE:
            speed = f"per second, {at_once} at once"
            ratio = found[name][speed] / found[f"{name}, floor"][speed]
            found[name][f"of the floor, {at_once} at once"] = ratio
    return found


if __name__ == "__main__":
    measure_alone("bench.hot_paths", __doc__, measure)
