"""Backups of a real broker, brought onto another."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js import api

from shared.adapters import nats_client
from shared.adapters.blobs import Blobs
from shared.adapters.envelope import Codec
from shared.adapters.event_log import Append, EventLog
from shared.adapters.topology import ensure_consumer, ensure_streams, reaction_consumer
from shared.adapters.vault import BUCKET, Keyring, Vault
from shared.backup import streams
from shared.backup.archive import Archive, Stored
from shared.backup.restoring import restore, verify
from shared.backup.taking import take
from shared.contracts.base import Metadata
from shared.contracts.scheduler import Rule, ScheduleSet
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unusable
from shared.kernel.ids import new_id
from shared.kernel.registry import REGISTRY
from shared.runtime.timers import Timers
from tests.bank.messages import EVENTS
from tests.brokers import own_broker

TENANT = new_id()
KEY = "A" * 43 + "="
REACTION = reaction_consumer("tests", "reaction", [("schedule", "set")])


def say(_text: str) -> None:
    """Silent."""


def metadata() -> Metadata:
    command = new_id()
    return Metadata(tenant_id=TENANT, message_id=command, correlation_id=command, now=utc_now())


def facts(count: int) -> list[Append]:
    schedule = new_id()
    return [
        Append(
            ScheduleSet(schedule_id=schedule, rule=Rule(every="daily"), as_of=n, next_at=utc_now()),
            None if n else 0,
        )
        for n in range(count)
    ]


class Side:
    """One installation: a broker, its log, its blobs."""

    def __init__(self, client: Client, vault: Vault, folder: Path) -> None:
        self.client = client
        self.vault = vault
        self.log = EventLog(client, Codec(vault, REGISTRY), "tests")
        self.blobs = Blobs.open(folder.as_uri())

    async def stored(self, stream: str) -> Sequence[Stored]:
        return [one async for batch in streams.messages(self.client, stream) for one in batch]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Side]:
    async with own_broker(tmp_path / "here") as server:
        client = await nats_client.connect(server.url, "here")
        await ensure_streams(client)
        bucket = await client.jetstream().key_value(BUCKET)
        yield Side(client, Vault(bucket, Keyring.parse(KEY)), tmp_path / "here" / "blobs")
        await client.close()


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Side]:
    async with own_broker(tmp_path / "there") as server:
        client = await nats_client.connect(server.url, "there")
        await ensure_streams(client)
        bucket = await client.jetstream().key_value(BUCKET)
        yield Side(client, Vault(bucket, Keyring.parse(KEY)), tmp_path / "there" / "blobs")
        await client.close()


async def brought(here: Side, there: Side, folder: Path) -> None:
    archive = Archive(folder)
    await take(here.client, here.blobs, archive, (), say)
    manifest, faults = await verify(archive)
    assert faults == []
    await restore(there.client, there.blobs, archive, manifest, say, replicas=1)


async def test_events_keep_their_places_their_headers_and_what_only_keys_open(
    here: Side, there: Side, tmp_path: Path
) -> None:
    for count in (1, 3, 400):
        await here.log.append(facts(count), metadata())
    secret = await here.vault.data_key(TENANT, "somebody", create=True)
    blob = await here.blobs.put(TENANT, b"\x00\xff" * 100)
    await brought(here, there, tmp_path / "backup")
    events = [batch async for batch in there.log.history(0, ["evt.>"])]
    before = [batch async for batch in here.log.history(0, ["evt.>"])]
    assert [one for batch in events for one in batch] == [one for batch in before for one in batch]
    assert await there.vault.data_key(TENANT, "somebody", create=False) == secret
    assert await there.blobs.get(TENANT, blob) == b"\x00\xff" * 100
    appended = await there.log.append(facts(1), metadata())
    assert appended == [405]


async def test_a_reaction_goes_on_where_it_had_settled_everything(
    here: Side, there: Side, tmp_path: Path
) -> None:
    await here.log.append(facts(5), metadata())
    await ensure_consumer(here.client, "EVENTS", REACTION)
    js = here.client.jetstream()
    taking = await js.pull_subscribe_bind(REACTION.durable_name or "", stream="EVENTS")
    first, second, _, fourth = await taking.fetch(4)
    for message in (first, second, fourth):
        await message.ack_sync()
    await brought(here, there, tmp_path / "backup")
    # As a service does at its start; it finds nothing to change.
    await ensure_consumer(there.client, "EVENTS", REACTION)
    again = there.client.jetstream()
    taking = await again.pull_subscribe_bind(REACTION.durable_name or "", stream="EVENTS")
    found = await taking.fetch(3)
    assert [message.metadata.sequence.stream for message in found] == [3, 4, 5]


async def test_work_that_waits_is_brought_and_what_was_done_is_not(
    here: Side, there: Side, tmp_path: Path
) -> None:
    js = here.client.jetstream()
    for n in range(3):
        headers = {"Nats-Msg-Id": f"job-{n}", "cmd-id": f"job-{n}"}
        await js.publish(f"job.{TENANT}.source.{n}.ingest", b"", headers=headers)
    worker = await js.pull_subscribe("job.>", "worker", stream="JOBS")
    await (await worker.fetch(1))[0].ack_sync()
    timers, ticking = Timers(here.client), api.ConsumerConfig(filter_subjects=["tick.*.bell.*"])
    later = utc_now() + timedelta(days=1)
    await timers.set("bell", "later", later, metadata())
    await timers.set("bell", "rung", utc_now(), metadata(), b"rung")
    await timers.set("bell", "heard", utc_now(), metadata(), b"heard")
    ears = await js.pull_subscribe("", "ears", stream="SCHED", config=ticking)
    heard = 0
    while not heard:
        for message in await ears.fetch(1, timeout=60):
            if message.data == b"heard" or heard:
                await message.ack_sync()
                heard += 1
    await brought(here, there, tmp_path / "backup")
    jobs = await there.stored("JOBS")
    assert [one.headers["cmd-id"] for one in jobs] == ["job-1", "job-2"]
    kept = [one.subject for one in await there.stored("SCHED")]
    assert f"sched.{TENANT}.bell.later" in kept


async def test_a_newer_versions_events_are_refused_before_anything_is_restored(
    here: Side, there: Side, tmp_path: Path
) -> None:
    await here.log.append(facts(2), metadata())
    newer = {"ce-type": EVENTS[0].type(), "ce-id": new_id()}
    js = here.client.jetstream()
    await js.publish(f"evt.{TENANT}.account.1.opened", b"{}", headers=newer)
    with pytest.raises(Unusable, match=r"event 3 .* only a newer version knows"):
        await brought(here, there, tmp_path / "backup")
    assert await there.log.last_sequence() == 0


async def test_a_log_with_a_hole_is_not_saved_as_if_it_were_whole(
    here: Side, tmp_path: Path
) -> None:
    await here.log.append(facts(5), metadata())
    await here.client.jetstream().delete_msg("EVENTS", 3)
    with pytest.raises(Unusable, match="not whole: event 3"):
        await take(here.client, here.blobs, Archive(tmp_path / "backup"), (), say)
    with pytest.raises(Unusable, match="holds no backup"):
        await verify(Archive(tmp_path / "backup"))


async def test_a_log_that_is_not_empty_is_not_written_over(
    here: Side, there: Side, tmp_path: Path
) -> None:
    await here.log.append(facts(1), metadata())
    await there.log.append(facts(1), metadata())
    with pytest.raises(Unusable, match="not empty"):
        await brought(here, there, tmp_path / "backup")


async def test_a_backup_of_another_log_is_not_added_to(
    here: Side, there: Side, tmp_path: Path
) -> None:
    for side in (here, there):
        await side.log.append(facts(2), metadata())
    archive = Archive(tmp_path / "backup")
    await take(here.client, here.blobs, archive, (), say)
    with pytest.raises(Unusable, match="another log"):
        await take(there.client, there.blobs, archive, (), say)


async def test_every_damage_to_a_backup_is_found(here: Side, tmp_path: Path) -> None:
    await here.log.append(facts(9), metadata())
    await here.blobs.put(TENANT, b"text")
    archive = Archive(tmp_path / "backup")
    manifest = await take(here.client, here.blobs, archive, (), say)
    segment = tmp_path / "backup" / "streams" / manifest.of("EVENTS")[0].file
    blob = next(file for file in (tmp_path / "backup" / "blobs").rglob("*") if file.is_file())
    for file, found in ((segment, "is damaged"), (blob, "is damaged")):
        whole = file.read_bytes()
        for spoilt in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
            file.write_bytes(spoilt)
            _, faults = await verify(archive)
            assert len(faults) == 1
            assert found in faults[0]
        file.write_bytes(whole)
    blob.unlink()
    assert (await verify(archive))[1] == ["1 blobs are missing"]
