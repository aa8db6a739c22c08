"""How fast read models are made anew, beside the `COPY` of as many rows into the same Postgres.

A history of one tenant goes into a real EVENTS stream, and each model reads its part of it. No
service runs beside it. `python -m bench.rebuilding [--quick]` measures this alone.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

import asyncpg

from bench.statistics import AT_ONCE, OneKey
from services.chat.main import BOTS
from services.gateway.main import AUDIT, IDENTITY
from services.ingest.main import SOURCES
from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.postgres import create_engine
from shared.adapters.projector import Projector
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.adapters.topology import ensure_streams
from shared.contracts.base import Event, Metadata, Recorded
from shared.contracts.chat import BotProfileCreated, BotProfileUpdated, BotSettings
from shared.contracts.gateway import ApiTokenIssued, ApiTokenUsed
from shared.contracts.ingest import SourceCreated, SourceSettings
from shared.embedded.servers import Servers, embedded_servers
from shared.kernel.clock import utc_now
from shared.kernel.ids import derived_id, new_id
from shared.kernel.registry import REGISTRY

MUCH, QUICK = 120_000, 6_000
"""Events in all; a third of them about each of three kinds of aggregates."""
MODELS: Sequence[ReadModel] = (IDENTITY, BOTS, SOURCES, AUDIT)
"""Whose facts mean a row or two. The last listens to what the others own."""
RUNS = 2


def facts(n: int) -> Iterator[Event]:
    """A bot that is changed, a token that is used, and two sources."""
    bot, token, now = f"b{n}", f"k{n}", utc_now()
    yield BotProfileCreated(bot_profile_id=bot, settings=BotSettings(name=f"Bot {n}"))
    yield BotProfileUpdated(bot_profile_id=bot, settings=BotSettings(name=f"Bot {n} again"))
    yield ApiTokenIssued(
        token_id=token, token_name=f"Token {n}", token_hash=token, token_prefix=bot, user_id="u"
    )
    yield ApiTokenUsed(token_id=token, used_at=now)
    for part in "xy":
        yield SourceCreated(
            source_id=f"{part}{n}",
            bot_profile_id=bot,
            source_type="text",
            settings=SourceSettings(name=f"Source {n}", config={"url": f"https://example.com/{n}"}),
        )


def history(tenant_id: str, count: int) -> Iterator[Recorded[Event]]:
    """So many events, each of a command of its own, as people give them."""
    at = utc_now() - timedelta(days=1)
    every = chain.from_iterable(facts(n) for n in range(count))
    for n, event in enumerate(islice(every, count)):
        command = derived_id("bench", tenant_id, str(n))
        metadata = Metadata(
            tenant_id=tenant_id,
            message_id=command,
            correlation_id=command,
            actor="user/u",
            now=at,
            imported="bench",
        )
        yield Recorded(event, metadata, derived_id("event", command), 0)


async def copied(servers: Servers, count: int) -> float:
    """Rows a second of a bare `COPY` of as many columns as a small event has."""
    rows = [(f"t{n % 7}", f"id{n}", n, utc_now(), '{"name": "A source"}') for n in range(count)]
    db = await asyncpg.connect(servers.admin_dsn)
    try:
        await db.execute(
            "create temp table copied (tenant_id text, id text, position bigint, at timestamptz, "
            "body jsonb, primary key (tenant_id, id))"
        )
        began = time.perf_counter()
        await db.copy_records_to_table("copied", records=rows)
        return count / (time.perf_counter() - began)
    finally:
        await db.close()


async def rebuilt(servers: Servers, log: EventLog, model: ReadModel) -> dict[str, float]:
    """The better of two runs."""
    engine = create_engine(servers.database_url(model.service), "bench")
    try:
        projector = Projector(ReadModelStore(engine, model), log)
        await projector.prepare()
        runs, used = [], []
        for _ in range(RUNS):
            before = time.process_time()
            runs.append(await projector.rebuild())
            used.append(time.process_time() - before)
    finally:
        await engine.dispose()
    best = min(runs, key=lambda run: run.seconds)
    return {
        "events": best.events,
        "seconds": best.seconds,
        "events per second": best.events / best.seconds,
        "microseconds of CPU per event, without the servers'": min(used) / best.events * 1e6,
    }


async def measure(data_dir: Path, *, quick: bool) -> dict[str, Any]:
    """All figures."""
    count = QUICK if quick else MUCH
    async with embedded_servers(data_dir) as servers:
        client = await nats_client.connect(servers.nats_url, "bench")
        try:
            await ensure_streams(client)
            log = EventLog(client, Codec(OneKey(), REGISTRY), "bench")
            tenant_id, last = new_id(), 0
            past = history(tenant_id, count)
            while batch := list(islice(past, AT_ONCE)):
                last = await log.transcribe(batch, last)
            found: dict[str, Any] = {
                model.schema: await rebuilt(servers, log, model) for model in MODELS
            }
            found["floor: rows copied per second"] = await copied(servers, count)
        finally:
            await client.close()
    return found


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.rebuilding", description=__doc__)
    options.add_argument("--quick", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        Path(folder).chmod(0o711)  # Postgres has a user of its own where we are root
        found = asyncio.run(measure(Path(folder) / "data", quick=given.quick))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
