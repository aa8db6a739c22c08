"""The files of a real broker's log are spoilt; nothing more is started or stored on them."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from nats.aio.client import Client

from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.adapters.event_log import Append, EventLog
from shared.adapters.topology import LostLog, ensure_streams
from shared.adapters.vault import BUCKET, Keyring, Vault
from shared.contracts.base import Metadata
from shared.contracts.scheduler import Rule, ScheduleSet
from shared.embedded.log_guard import LogGuard
from shared.embedded.nats_server import NatsServer
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable, Unknown, Unusable
from shared.kernel.ids import new_id
from shared.kernel.registry import REGISTRY
from tests.brokers import own_broker

KEY = "A" * 43 + "="
TENANT = new_id()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with own_broker(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def client(server: NatsServer) -> AsyncIterator[Client]:
    connected = await nats_client.connect(server.url, "tests")
    await ensure_streams(connected)
    yield connected
    await connected.close()


@pytest.fixture
async def event_log(client: Client) -> EventLog:
    bucket = await client.jetstream().key_value(BUCKET)
    log = EventLog(client, Codec(Vault(bucket, Keyring.parse(KEY)), REGISTRY), "tests")
    await append(log, 50)
    return log


@pytest.fixture
def guard(tmp_path: Path) -> LogGuard:
    return LogGuard(tmp_path / "data" / "nats" / "store", tmp_path / "known.json")


async def append(log: EventLog, count: int) -> int:
    command = new_id()
    metadata = Metadata(tenant_id=TENANT, message_id=command, correlation_id=command, now=utc_now())
    schedule = new_id()
    events = [
        ScheduleSet(schedule_id=schedule, rule=Rule(every="daily"), as_of=n, next_at=utc_now())
        for n in range(count)
    ]
    appends = [Append(event, None if n else 0) for n, event in enumerate(events)]
    return (await log.append(appends, metadata))[-1]


def stream(tmp_path: Path) -> Path:
    return next((tmp_path / "data" / "nats" / "store").rglob("EVENTS"))


def block(tmp_path: Path) -> Path:
    return stream(tmp_path) / "msgs" / "1.blk"


def flip(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        (byte,) = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


def flip_unseen(file: Path) -> None:
    """As a disk does it: the file's times tell nothing."""
    before = file.stat()
    flip(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1000)


def remove(file: Path) -> None:
    shutil.rmtree(file.parent.parent)


DAMAGES = [
    (flip, "does not hold what was written"),
    (flip_unseen, "does not hold what was written"),
    (cut, "lost 1000 bytes"),
    (remove, "is gone"),
]


@pytest.mark.parametrize(("spoil", "told"), DAMAGES)
@pytest.mark.usefixtures("event_log")
async def test_a_damage_to_a_running_brokers_files_is_found_in_the_next_round(
    guard: LogGuard, tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    assert [guard.look() for _ in range(3)] == [None] * 3
    spoil(block(tmp_path))
    assert told in str(guard.look())


@pytest.mark.parametrize(("spoil", "told"), DAMAGES)
@pytest.mark.usefixtures("event_log")
async def test_a_broker_is_not_started_on_files_that_were_damaged_while_it_was_down(
    server: NatsServer, tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    kept = tmp_path / "data" / "nats" / "log-guard.json"
    watching = LogGuard(tmp_path / "data" / "nats" / "store", kept)
    assert [watching.look() for _ in range(3)] == [None] * 3
    await server.stop()
    spoil(block(tmp_path))
    with pytest.raises(Unusable, match=told):
        await server.start()
    kept.unlink()
    await server.start()


async def test_a_log_that_grows_and_a_broker_that_is_killed_are_no_damage(
    guard: LogGuard, server: NatsServer, event_log: EventLog
) -> None:
    for n in range(6):
        await append(event_log, 1 + 30 * n)
        assert guard.look() is None
    server.child.kill()
    await server.child.wait()
    await server.child.bury()
    assert guard.look() is None
    await server.start()
    await append(event_log, 3)
    assert [guard.look() for _ in range(3)] == [None] * 3


@pytest.mark.usefixtures("event_log")
async def test_what_was_not_written_whole_yet_may_go_again(guard: LogGuard, tmp_path: Path) -> None:
    file = block(tmp_path)
    whole = file.stat().st_size
    with file.open("ab") as opened:
        opened.write(b"\x99\x03\x00\x00begun")
    assert [guard.look() for _ in range(3)] == [None] * 3
    os.truncate(file, whole)
    assert guard.look() is None
    os.truncate(file, whole - 1)
    assert guard.look() == "the file 1.blk lost 1 bytes"


async def test_a_log_known_to_be_damaged_takes_nothing_and_can_be_read(
    event_log: EventLog,
) -> None:
    event_log.found_damaged("the file 1.blk is gone")
    with pytest.raises(Unavailable, match="takes nothing until an operator restores it"):
        await append(event_log, 1)
    assert await event_log.last_sequence() == 50


async def test_an_append_to_a_place_that_was_taken_is_noticed_by_who_took_it(
    client: Client, event_log: EventLog
) -> None:
    await client.jetstream().purge_stream("EVENTS")
    await client.jetstream().delete_stream("EVENTS")
    await client.jetstream().delete_stream(f"KV_{BUCKET}")
    await ensure_streams(client)
    with pytest.raises(Unknown):
        await append(event_log, 1)
    assert event_log.damage == "event 1 was stored where there had been one before"
    with pytest.raises(Unavailable):
        await append(event_log, 1)


async def test_a_log_that_ends_before_what_was_read_of_it_is_noticed(
    client: Client, event_log: EventLog
) -> None:
    assert await event_log.last_sequence() == 50
    await client.jetstream().delete_stream("EVENTS")
    await client.jetstream().delete_stream(f"KV_{BUCKET}")
    await ensure_streams(client)
    await event_log.last_sequence()
    assert event_log.damage == "it ends at 0 and had reached 50"


async def test_a_log_that_vanished_is_not_made_anew_beside_a_vault_that_is_used(
    client: Client,
) -> None:
    bucket = await client.jetstream().key_value(BUCKET)
    await bucket.put("something", b"sealed")
    await client.jetstream().delete_stream("EVENTS")
    with pytest.raises(LostLog, match="lost the event log"):
        await ensure_streams(client)
