"""What followers of the log hear that share one consumer: everything behind where they began."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.log_tail import Channel, Entry, LogTail
from shared.contracts.base import Recorded
from shared.embedded.servers import Servers
from tests.bank.messages import RateSet, metadata
from tests.contract.test_reading_the_log import append, values
from tests.eventually import eventually
from tests.proxy import proxied

RATES = ["evt.*.rate.*.set"]
IDLE = 60.0


@asynccontextmanager
async def running(tail: LogTail) -> AsyncIterator[LogTail]:
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(tail.run())
        yield tail
        reading.cancel()


@pytest.fixture
async def tail(event_log: EventLog) -> AsyncIterator[LogTail]:
    async with running(LogTail(event_log, RATES)) as made:
        yield made


async def heard(channel: Channel, after: int, count: int) -> list[Entry]:
    """The next events behind a position."""
    found: list[Entry] = []
    async with asyncio.timeout(IDLE):
        while len(found) < count:
            found += await channel.more(found[-1].sequence if found else after, IDLE)
    return found


def told(entries: Sequence[Entry]) -> list[int]:
    return values([entry.recorded for entry in entries])


async def test_all_followers_hear_what_happens_and_share_it(
    tail: LogTail, event_log: EventLog, tenant_id: str, other_tenant_id: str
) -> None:
    async with tail.following(tenant_id) as one, tail.following(tenant_id) as another:
        await append(event_log, other_tenant_id, "eur", [7])
        await append(event_log, tenant_id, "eur", range(3))
        first = await heard(one, one.since, 3)
        second = await heard(another, another.since, 3)
    assert told(first) == [0, 1, 2]
    assert all(ours is theirs for ours, theirs in zip(first, second, strict=True))


async def test_nothing_is_missing_between_the_log_and_what_comes(
    tail: LogTail, event_log: EventLog, tenant_id: str
) -> None:
    """Whoever begins while others write reads the log up to where it began."""
    before = await event_log.last_sequence()
    async with tail.following("somebody"), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(append(event_log, tenant_id, "eur", range(30)))
        await asyncio.sleep(0.02)
        async with tail.following(tenant_id) as channel:
            joint = channel.since
            await writing
            await append(event_log, tenant_id, "eur", [30])
            late = await heard(channel, joint, 1)
            while told(late)[-1] != 30:
                late += await heard(channel, late[-1].sequence, 1)
    early: list[int] = []
    async for batch in event_log.history(before, [f"evt.{tenant_id}.rate.*.*"]):
        early += values([one for one in batch if one.sequence <= joint])
    assert [*early, *told(late)] == list(range(31))


async def test_a_tenant_keeps_its_last_events_only(event_log: EventLog, tenant_id: str) -> None:
    async with (
        running(LogTail(event_log, RATES, kept=3)) as tail,
        tail.following(tenant_id) as channel,
    ):
        began = channel.since
        await append(event_log, tenant_id, "eur", range(5))

        async def kept() -> None:
            assert told(channel.behind(0)) == [2, 3, 4]

        await eventually(kept)
        assert channel.since > began
        assert told(channel.behind(channel.behind(0)[0].sequence)) == [3, 4]


async def test_whoever_comes_back_soon_finds_what_happened_meanwhile(
    tail: LogTail, event_log: EventLog, tenant_id: str
) -> None:
    async with tail.following(tenant_id) as channel:
        since = channel.since
    await append(event_log, tenant_id, "eur", range(2))
    async with tail.following(tenant_id) as channel:
        assert channel.since == since
        assert told(await heard(channel, since, 2)) == [0, 1]


async def test_reading_ends_with_the_last_follower_and_begins_again(
    event_log: EventLog, tenant_id: str
) -> None:
    async with running(LogTail(event_log, RATES, linger=0)) as tail:
        async with tail.following(tenant_id) as channel:
            since = channel.since
        await append(event_log, tenant_id, "eur", [1])

        async def later() -> None:
            async with tail.following(tenant_id) as other:
                assert other.since > since

        await eventually(later)
        async with tail.following(tenant_id) as channel:
            await append(event_log, tenant_id, "eur", [2])
            assert told(await heard(channel, channel.since, 1)) == [2]


@pytest.mark.parametrize("more", [[], [5]])
async def test_what_was_on_its_way_when_the_connection_broke_is_told_all_the_same(
    servers: Servers, codec: Codec, event_log: EventLog, tenant_id: str, more: list[int]
) -> None:
    async with proxied(servers.nats.port) as proxy:
        url = servers.nats_url.replace(str(servers.nats.port), str(proxy.port))
        reader = await nats_client.connect(url, "cut off")
        try:
            tail = LogTail(EventLog(reader, codec, "tests"), RATES)
            async with running(tail), tail.following(tenant_id) as channel:
                since = channel.since
                await append(event_log, tenant_id, "eur", [1, 2])
                assert told(await heard(channel, since, 2)) == [1, 2]
                proxy.swallow()
                await append(event_log, tenant_id, "eur", [3, 4])
                await asyncio.sleep(0.1)
                proxy.cut()
                await append(event_log, tenant_id, "eur", more)
                wanted = [1, 2, 3, 4, *more]
                assert told(await heard(channel, since, len(wanted))) == wanted
        finally:
            await reader.close()


def test_what_is_told_again_is_passed_over(tenant_id: str) -> None:
    channel = Channel(5, kept=10)
    meta = metadata(tenant_id)
    for sequence in (4, 5, 6, 7, 6, 7, 8):
        event = RateSet(currency="eur", value=sequence)
        channel.add(Entry(Recorded(event, meta, f"id-{sequence}", sequence)))
    assert told(channel.behind(5)) == [6, 7, 8]
