"""The streams and consumers that the code defines, against what a real broker has."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import nats.errors
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api

from shared.adapters import nats_client
from shared.adapters.topology import (
    STREAMS,
    command_consumer,
    differences,
    ensure_consumer,
    ensure_streams,
    keep_streams,
    lane_consumer,
    reaction_consumer,
)
from shared.embedded.nats_server import NatsServer
from shared.embedded.ports import keep_ports
from shared.kernel.errors import Unavailable, Unusable
from tests.brokers import configured_broker, own_broker
from tests.eventually import eventually


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with own_broker(tmp_path / "data") as server:
        yield server


@pytest.fixture
async def admin(broker: NatsServer) -> AsyncIterator[Client]:
    connected = await nats_client.connect(broker.url, "admin")
    yield connected
    await connected.close()


@pytest.fixture
def js(admin: Client) -> JetStreamContext:
    return admin.jetstream()


async def changes(client: Client) -> list[str]:
    """The names of streams and consumers that are made or changed from now on."""
    seen: list[str] = []

    async def on_advisory(message: Msg) -> None:
        told = orjson.loads(message.data)
        seen.append(told.get("consumer") or told["stream"])

    for subject in ("STREAM.CREATED.*", "STREAM.UPDATED.*", "CONSUMER.CREATED.*.*"):
        await client.subscribe(f"$JS.EVENT.ADVISORY.{subject}", cb=on_advisory)
    await client.flush()
    return seen


async def told(seen: list[str], expected: list[str]) -> None:
    """Whatever the order, in which the broker does not promise to tell."""

    async def look() -> None:
        assert sorted(seen) == sorted(expected)

    await eventually(look)


async def have(js: JetStreamContext, name: str) -> api.StreamConfig:
    return (await js.stream_info(name)).config


class TestStreams:
    async def test_are_all_accepted(self, admin: Client, js: JetStreamContext) -> None:
        await ensure_streams(admin)
        for wanted in STREAMS:
            assert wanted.name is not None
            assert differences(wanted, await have(js, wanted.name)) == []

    async def test_a_second_start_changes_nothing(
        self, admin: Client, js: JetStreamContext
    ) -> None:
        seen = await changes(admin)
        await ensure_streams(admin)
        made = [str(stream.name) for stream in STREAMS]
        await told(seen, made)
        await ensure_streams(admin)
        await js.add_stream(name="LAST", subjects=["last"])
        await told(seen, [*made, "LAST"])

    async def test_a_difference_that_can_be_applied_is_applied(
        self, admin: Client, js: JetStreamContext
    ) -> None:
        await ensure_streams(admin)
        await js.publish("dlq.CMDS.kept", b"kept")
        wanted = await have(js, "DLQ")
        drifted = wanted.evolve(max_age=600.0, subjects=["dlq.>", "other.>"], description="Mine")
        await js.update_stream(drifted)
        await ensure_streams(admin)
        assert await have(js, "DLQ") == wanted
        assert (await js.get_last_msg("DLQ", "dlq.CMDS.kept")).data == b"kept"

    async def test_a_transform_that_is_no_longer_wanted_is_taken_away(
        self, admin: Client, js: JetStreamContext
    ) -> None:
        [wanted] = [one for one in STREAMS if one.name == "JOBS"]
        apart = api.SubjectTransform(src="job.*.*.*.*", dest="apart.{{wildcard(1)}}")
        await js.add_stream(wanted.evolve(subject_transform=apart))
        await ensure_streams(admin)
        await js.publish("job.acme.source.s.ingest", b"kept")
        assert (await js.get_last_msg("JOBS", "job.acme.source.s.ingest")).data == b"kept"

    @pytest.mark.parametrize(
        ("stream", "drift", "named"),
        [
            ("DLQ", {"storage": api.StorageType.MEMORY}, "storage"),
            ("CMDS", {"retention": api.RetentionPolicy.LIMITS}, "retention"),
            ("CMDS", {"persist_mode": api.PersistMode.ASYNC}, "persist_mode"),
        ],
    )
    async def test_any_other_difference_refuses_and_says_which(
        self,
        admin: Client,
        js: JetStreamContext,
        stream: str,
        drift: dict[str, Any],
        named: str,
    ) -> None:
        [wanted] = [one for one in STREAMS if one.name == stream]
        await js.add_stream(wanted.evolve(**drift))
        with pytest.raises(Unusable, match=rf"stream {stream} \(.*{named}: "):
            await ensure_streams(admin)

    async def test_a_stream_that_takes_our_subjects_is_named(
        self, admin: Client, js: JetStreamContext
    ) -> None:
        await js.add_stream(name="THEIRS", subjects=["cmd.>"])
        with pytest.raises(Unusable, match=r"stream CMDS \(it is missing\).*overlap"):
            await ensure_streams(admin)

    async def test_a_broker_that_is_not_ready_is_not_a_difference(self, tmp_path: Path) -> None:
        """Nothing is wrong with the definitions: the next start may find it well."""
        async with configured_broker(tmp_path, "") as address:
            connected = await nats_client.connect(f"nats://{address}", "admin")
            missing = {"error": {"code": 404, "err_code": 10059, "description": "not found"}}
            starting = {"error": {"code": 503, "err_code": 10008, "description": "not ready"}}

            async def answer(message: Msg) -> None:
                known = ".INFO." in message.subject
                await message.respond(orjson.dumps(missing if known else starting))

            await connected.subscribe("$JS.API.>", cb=answer)
            try:
                with pytest.raises(Unavailable):
                    await ensure_streams(connected)
                with pytest.raises(Unavailable):
                    await ensure_consumer(connected, "CMDS", command_consumer("x", ["a"]))
            finally:
                await connected.close()


async def test_a_disk_with_room_for_all_streams_once_is_enough_for_services_that_start_together(
    tmp_path: Path,
) -> None:
    config = f'jetstream {{ store_dir: "{tmp_path}", max_file_store: 1700MB }}'
    async with configured_broker(tmp_path, config) as address:
        services = [await nats_client.connect(f"nats://{address}", f"s{n}") for n in range(6)]
        try:
            await asyncio.gather(*(ensure_streams(one) for one in services))
            found = await services[0].jetstream().streams_info()
            assert {one.config.name for one in found} == {one.name for one in STREAMS}
        finally:
            for one in services:
                await one.close()


class TestDurability:
    async def test_the_broker_syncs_before_it_acknowledges(self, broker: NatsServer) -> None:
        await broker._refuse_lazy_sync()

    async def test_a_broker_that_syncs_later_is_refused(
        self, broker: NatsServer, tmp_path: Path
    ) -> None:
        monitor = keep_ports(tmp_path / "monitor.json", ("monitor",))["monitor"]
        lazy = f'http: "127.0.0.1:{monitor}"\njetstream {{ store_dir: "{tmp_path / "js"}" }}'
        async with configured_broker(tmp_path, lazy):
            broker.monitor = monitor
            with pytest.raises(Unusable, match="does not sync"):
                await broker._refuse_lazy_sync()

    async def test_no_stream_is_written_behind_its_acknowledgement(
        self, admin: Client, js: JetStreamContext
    ) -> None:
        await ensure_streams(admin)
        for stream in STREAMS:
            assert stream.name is not None
            found = await have(js, stream.name)
            assert found.persist_mode in (None, api.PersistMode.DEFAULT)
            assert found.storage == api.StorageType.FILE or found.name in ("TOK", "COUNT")

    async def test_what_is_not_for_a_while_only_refuses_rather_than_forgets(self) -> None:
        """A full disk must stop writers, never drop what was acknowledged."""
        forgetful = {s.name for s in STREAMS if s.discard != api.DiscardPolicy.NEW}
        assert forgetful == {"SCHED", "TOK", "COUNT", "KV_idempotency"}


class TestConsumers:
    ALL = (
        ("CMDS", command_consumer("ingest-sources", ["source"])),
        ("JOBS", lane_consumer("ingest", "acme", 8)),
        ("EVENTS", reaction_consumer("chat", "answer", [("chat", "question_asked")])),
    )

    async def test_are_accepted_and_a_second_start_changes_nothing(
        self, admin: Client, js: JetStreamContext
    ) -> None:
        await ensure_streams(admin)
        seen = await changes(admin)
        for stream, wanted in self.ALL:
            await ensure_consumer(admin, stream, wanted)
            found = (await js.consumer_info(stream, wanted.durable_name or "")).config
            assert differences(wanted, found) == []
            await ensure_consumer(admin, stream, wanted)
        await js.add_stream(name="LAST", subjects=["last"])
        await told(seen, [*(str(wanted.durable_name) for _, wanted in self.ALL), "LAST"])

    async def test_a_difference_that_can_be_applied_is_applied(
        self, admin: Client, js: JetStreamContext
    ) -> None:
        await ensure_streams(admin)
        wanted = command_consumer("ingest-sources", ["source"])
        await ensure_consumer(admin, "CMDS", wanted.evolve(ack_wait=99, max_ack_pending=1))
        await ensure_consumer(admin, "CMDS", wanted)
        found = (await js.consumer_info("CMDS", "ingest-sources")).config
        assert (found.ack_wait, found.max_ack_pending) == (wanted.ack_wait, wanted.max_ack_pending)

    async def test_any_other_difference_refuses_and_says_which(self, admin: Client) -> None:
        await ensure_streams(admin)
        wanted = reaction_consumer("chat", "answer", [("chat", "question_asked")])
        await ensure_consumer(admin, "EVENTS", wanted.evolve(deliver_policy=api.DeliverPolicy.NEW))
        with pytest.raises(Unusable, match=r"EVENTS/chat-answer \(.*deliver_policy: "):
            await ensure_consumer(admin, "EVENTS", wanted)


async def test_streams_in_memory_are_there_again_after_the_broker_was_killed(
    tmp_path: Path,
) -> None:
    came_back = asyncio.Event()
    async with own_broker(tmp_path / "data") as broker:
        client = await nats.connect(
            broker.url, **nats_client.options("test", on_return=came_back.set)
        )
        await ensure_streams(client)
        keeping = asyncio.create_task(keep_streams(client, came_back))
        try:
            broker.child.kill()
            await broker.child.wait()
            await broker.stop()
            await broker.start()

            async def all_are_there() -> None:
                try:
                    found = await client.jetstream().streams_info()
                except (nats.errors.Error, TimeoutError) as away:
                    raise AssertionError from away
                names = {one.config.name for one in found}
                assert names == {stream.name for stream in STREAMS}

            await eventually(all_are_there)
        finally:
            keeping.cancel()
            await asyncio.wait([keeping], timeout=5)
            await client.close()


async def test_a_broker_without_room_is_told_of_in_plain_words(tmp_path: Path) -> None:
    sizes = "max_memory_store: 512MB, max_file_store: 600MB"
    jetstream = f'jetstream {{ store_dir: "{tmp_path / "store"}", {sizes} }}'
    async with configured_broker(tmp_path, jetstream) as address:
        client = await nats_client.connect(f"nats://{address}", "tests")
        with pytest.raises(Unusable, match=r"has no room .* may take 1\.1 GB beside the log"):
            await ensure_streams(client)
        await client.close()
