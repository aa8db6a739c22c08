"""What a reader of the log sees: everything, in order, and where it has to stop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from nats.aio.client import Client

from shared.adapters import nats_client
from shared.adapters.envelope import Codec, event_headers
from shared.adapters.event_log import STREAM, Append, EventLog
from shared.adapters.pull import PullEnded
from shared.adapters.topology import ensure_streams
from shared.contracts.base import Event, Recorded
from shared.embedded.nats_server import NatsServer
from shared.kernel.decoding import EventRegistry
from shared.kernel.errors import Unusable
from shared.kernel.ids import new_id
from tests.bank.messages import EVENTS, Deposited, RateSet, metadata
from tests.brokers import own_broker

EVERYTHING = ["evt.>"]


class NoKeys:
    """For events without personal text."""

    async def data_key(self, tenant_id: str, subject: str, *, create: bool) -> bytes | None:
        raise AssertionError(f"nothing is personal here: {tenant_id} {subject} {create}")

    async def tenant_key(self, tenant_id: str) -> bytes | None:
        return tenant_id.encode().ljust(32)[:32]


async def append(event_log: EventLog, tenant_id: str, currency: str, values: Sequence[int]) -> None:
    for value in values:
        event = RateSet(currency=currency, value=value)
        await event_log.append([Append(event, None)], metadata(tenant_id))


async def some(
    event_log: EventLog, after: int, subjects: Sequence[str], count: int, batch: int = 500
) -> list[Recorded[Event]]:
    """The first `count` events that a reader gets."""
    found: list[Recorded[Event]] = []
    async with aclosing(event_log.read(after, subjects, batch=batch)) as batches:
        async for one in batches:
            assert len(one.records) <= batch
            found += one.records
            if len(found) >= count:
                return found
    raise AssertionError("a reader never ends by itself")


def values(records: Sequence[Recorded[Event]]) -> list[int]:
    return [r.event.value for r in records if isinstance(r.event, RateSet)]


class TestReading:
    @pytest.mark.parametrize("batch", [1, 3, 500])
    async def test_gives_everything_that_matches_in_order(
        self, event_log: EventLog, tenant_id: str, batch: int
    ) -> None:
        before = await event_log.last_sequence()
        await append(event_log, tenant_id, "eur", range(10))
        await append(event_log, tenant_id, "usd", range(100, 110))
        found = await some(event_log, before, [f"evt.{tenant_id}.rate.*.*"], 20, batch)
        assert values(found) == [*range(10), *range(100, 110)]
        assert [r.sequence for r in found] == sorted({r.sequence for r in found})

    async def test_leaves_out_what_does_not_match(
        self, event_log: EventLog, tenant_id: str, other_tenant_id: str
    ) -> None:
        for owner in (tenant_id, other_tenant_id):
            await append(event_log, owner, "eur", range(3))
        found = await some(event_log, 0, [f"evt.{other_tenant_id}.rate.eur.set"], 3)
        assert {r.tenant_id for r in found} == {other_tenant_id}

    async def test_begins_behind_a_position(self, event_log: EventLog, tenant_id: str) -> None:
        await append(event_log, tenant_id, "eur", range(6))
        subjects = [f"evt.{tenant_id}.rate.*.*"]
        first = await some(event_log, 0, subjects, 6)
        again = await some(event_log, first[2].sequence, subjects, 3)
        assert values(again) == [3, 4, 5]

    async def test_tells_first_how_much_there_is(self, event_log: EventLog, tenant_id: str) -> None:
        await append(event_log, tenant_id, "eur", range(4))
        async with aclosing(event_log.read(0, [f"evt.{tenant_id}.>"])) as batches:
            first = await anext(batches)
        assert (list(first.records), first.pending) == ([], 4)

    async def test_goes_on_with_what_comes(self, event_log: EventLog, tenant_id: str) -> None:
        reading = asyncio.ensure_future(some(event_log, 0, [f"evt.{tenant_id}.>"], 5))
        await append(event_log, tenant_id, "eur", range(5))
        assert values(await reading) == [0, 1, 2, 3, 4]


class TestHistory:
    @pytest.mark.parametrize("batch", [1, 2, 500])
    async def test_ends_with_what_was_there(
        self, event_log: EventLog, tenant_id: str, batch: int
    ) -> None:
        await append(event_log, tenant_id, "eur", range(7))
        found: list[Recorded[Event]] = []
        async for records in event_log.history(0, [f"evt.{tenant_id}.>"], batch=batch):
            assert 0 < len(records) <= batch
            found += records
        assert values(found) == list(range(7))

    async def test_of_nothing_ends_at_once(self, event_log: EventLog, tenant_id: str) -> None:
        assert [r async for r in event_log.history(0, [f"evt.{tenant_id}.>"])] == []

    async def test_behind_the_end_of_the_log_is_nothing(self, event_log: EventLog) -> None:
        last = await event_log.last_sequence()
        assert [r async for r in event_log.history(last + 1000, EVERYTHING)] == []


class TestANewerVersion:
    """A type that only a newer version knows stops the reader: going on would skip a fact."""

    @pytest.fixture
    async def unknown(self, client: Client, tenant_id: str) -> str:
        """Id of an account with one known event and one that is not."""
        account_id, meta = new_id(), metadata(tenant_id)
        known = Deposited(account_id=account_id, amount=1)
        headers = event_headers(known, new_id(), meta, "tests")
        subject = f"evt.{tenant_id}.mystery.{account_id}.deposited"
        js = client.jetstream()
        await js.publish(subject, known.model_dump_json().encode(), headers=headers)
        newer = {**headers, "ce-type": "account.frozen.v1", "Nats-Msg-Id": new_id()}
        await js.publish(f"evt.{tenant_id}.mystery.{account_id}.frozen", b"{}", headers=newer)
        return account_id

    async def test_stops_a_reader(self, event_log: EventLog, tenant_id: str, unknown: str) -> None:
        with pytest.raises(Unusable, match=r"account\.frozen\.v1"):
            await some(event_log, 0, [f"evt.{tenant_id}.mystery.{unknown}.*"], 2, batch=1)

    async def test_stops_whoever_asks_for_the_aggregate(
        self, event_log: EventLog, tenant_id: str, unknown: str
    ) -> None:
        with pytest.raises(Unusable, match=r"account\.frozen\.v1"):
            await event_log.tail(tenant_id, "mystery", unknown)
        with pytest.raises(Unusable, match=r"account\.frozen\.v1"):
            await event_log.last_of(tenant_id, "mystery", unknown)


class TestARestart:
    @pytest.fixture
    async def broker(self, tmp_path: Path) -> AsyncIterator[NatsServer]:
        async with own_broker(tmp_path / "data") as server:
            yield server

    @pytest.mark.parametrize("killed", [False, True])
    async def test_a_reader_goes_on_behind_what_it_saw(
        self, broker: NatsServer, tenant_id: str, killed: bool
    ) -> None:
        connected = await nats_client.connect(broker.url, "reader")
        try:
            await ensure_streams(connected)
            log = EventLog(connected, Codec(NoKeys(), EventRegistry(EVENTS)), "tests")
            await append(log, tenant_id, "eur", range(3))
            seen: list[Recorded[Event]] = []

            async def read_on() -> None:
                after = seen[-1].sequence if seen else 0
                async with aclosing(log.read(after, EVERYTHING)) as batches:
                    async for one in batches:
                        seen.extend(one.records)
                        if len(seen) == 6:
                            return

            reading = asyncio.ensure_future(read_on())
            while len(seen) < 3:
                await asyncio.sleep(0.01)
            if killed:
                broker.child.kill()
                await broker.child.wait()
            await broker.stop()
            await broker.start()
            with pytest.raises(PullEnded):
                await reading
            await append(log, tenant_id, "eur", range(3, 6))
            await read_on()
            assert values(seen) == list(range(6))
            assert (await connected.jetstream().stream_info(STREAM)).state.messages == 6
        finally:
            await connected.close()
