"""The typed subscriber of examples/: it misses nothing and tells nothing twice."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from examples.subscriber import Feed, Told, line
from shared.contracts.public import SourceWasCreated, SourceWasIngested
from tests.e2e.test_webhooks import TEXT
from tests.harness import Installation, Tenant
from tests.proxy import proxied

CUTS = 5
EVENTS = 1 + 3 * CUTS + 1
"""The bot, three sources before each cut, and one behind the last."""
WAIT_SECONDS = 120.0


def port_of(installation: Installation) -> int:
    ports = json.loads((installation.data_dir / "run.json").read_text())["ports"]
    return int(ports["nats"])


async def following(events: AsyncGenerator[Told, None], last: str) -> list[Told]:
    """What is told until the source with id `last` was created."""
    told = []
    async with asyncio.timeout(WAIT_SECONDS):
        async for one in events:
            told.append(one)
            if isinstance(one.event, SourceWasCreated) and one.event.source_id == last:
                break
    return told


async def test_hears_what_was_before_and_what_comes(
    installation: Installation, tenant: Tenant
) -> None:
    bot = await asyncio.to_thread(tenant.bot)
    source = await asyncio.to_thread(tenant.source, bot, TEXT, name="Harbour")
    url = f"nats://127.0.0.1:{port_of(installation)}"
    feed = Feed(url, tenant.url, tenant.id, tenant.token)
    async with aclosing(feed.events()) as events:
        before = await following(events, source)
        await asyncio.to_thread(tenant.ingest, source)
        async with asyncio.timeout(WAIT_SECONDS):
            started, ingested = await anext(events), await anext(events)
    assert [one.event.type for one in before] == ["bot_profile.created", "source.created"]
    assert started.event.type == "source.ingestion_started"
    assert isinstance(ingested.event, SourceWasIngested)
    assert line(ingested) == "Harbour is ready, with 1 chunks"


async def test_goes_on_behind_a_cursor(installation: Installation, tenant: Tenant) -> None:
    url = f"nats://127.0.0.1:{port_of(installation)}"
    bot = await asyncio.to_thread(tenant.bot)
    first = await asyncio.to_thread(tenant.source, bot, TEXT)
    async with aclosing(Feed(url, tenant.url, tenant.id, tenant.token).events()) as events:
        cursor = (await following(events, first))[-1].cursor
    second = await asyncio.to_thread(tenant.source, bot, TEXT)
    async with aclosing(Feed(url, tenant.url, tenant.id, tenant.token).events(cursor)) as events:
        told = await following(events, second)
    assert [one.event.type for one in told] == ["source.created"]


async def test_cut_again_and_again_misses_nothing_and_tells_nothing_twice(
    installation: Installation, tenant: Tenant
) -> None:
    bot = await asyncio.to_thread(tenant.bot)
    async with proxied(port_of(installation)) as proxy:
        feed = Feed(f"nats://127.0.0.1:{proxy.port}", tenant.url, tenant.id, tenant.token)
        made: list[str] = []

        async def write() -> None:
            for _ in range(CUTS):
                made.extend([await asyncio.to_thread(tenant.source, bot, TEXT) for _ in "123"])
                proxy.cut()
            made.append(await asyncio.to_thread(tenant.source, bot, TEXT))

        told: list[Told] = []
        async with aclosing(feed.events()) as events, asyncio.TaskGroup() as both:
            both.create_task(write())
            # A source may be told before the answer to who made it.
            while len(told) < EVENTS:
                told.append(await anext(events))
    heard = [one.event.source_id for one in told if isinstance(one.event, SourceWasCreated)]
    assert heard == made
