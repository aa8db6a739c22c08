"""Three brokers, configured as in the overlay `ha`, are one log that survives any of them."""

import asyncio
import json
import logging
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import nats
import pytest
from nats.aio.client import Client

from shared.adapters.topology import STREAMS, ensure_streams
from shared.cli.init import BROKERS, init
from shared.embedded.loopback import status
from shared.embedded.ports import LOOPBACK, keep_ports
from shared.kernel.errors import Unavailable
from tests.deploy.manifests import K8S
from tests.eventually import eventually

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAM = Path(sysconfig.get_path("scripts")) / "nats-server"
START_SECONDS = 90.0
WRITERS = 4
WRITE_SECONDS = 2.0
"""Then it is tried again: nobody tells whoever writes to a leader that it has died."""

R = TypeVar("R")


@dataclass
class Brokers:
    url: str
    ports: dict[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    async def healthy(self, name: str) -> bool:
        return await status(self.ports[f"{name}-8222"], "/healthz") == 200


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Brokers]:
    (tmp_path / "docker-compose.yml").touch()
    init(tmp_path, "localhost")
    secrets = tmp_path / ".compose" / "secrets"
    names = [f"nats-{n}" for n in range(BROKERS)]
    ports = keep_ports(
        tmp_path / "ports.json", [f"{n}-{p}" for n in names for p in (4222, 6222, 8222, 9222)]
    )
    password = re.search(r'NATS_PASSWORD: "(\w+)"', (secrets / "nats.conf").read_text())
    assert password
    servers = ",".join(
        f"nats://minirag:{password[1]}@{LOOPBACK}:{ports[f'{n}-4222']}" for n in names
    )
    found = Brokers(servers, ports)
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(secrets / "nats.conf", folder / "secrets.conf")
        shutil.copy(secrets / "nats-issuer.conf", folder / "issuer.conf")
        for file, source in (
            ("nats.conf", K8S / "base" / "nats.conf"),
            ("cluster.conf", secrets / "nats-cluster.conf"),
        ):
            text = re.sub(
                r"(nats-\d)\.nats-headless:6222",
                lambda match: f"{LOOPBACK}:{ports[f'{match[1]}-6222']}",
                source.read_text(),
            )
            for port in (4222, 6222, 8222, 9222):
                text = text.replace(f"0.0.0.0:{port}", f"{LOOPBACK}:{ports[f'{name}-{port}']}")
            (folder / file).write_text(text.replace('"/data"', json.dumps(str(folder / "data"))))
        env = {"SERVER_NAME": name, "MAX_FILE_STORE": "1GB"}
        with (folder / "log").open("wb") as log:
            found.running[name] = subprocess.Popen(
                [PROGRAM, "--config", folder / "nats.conf"], env=env, stdout=log, stderr=log
            )
    yield found
    for process in found.running.values():
        process.kill()
        process.wait()


async def connect(brokers: Brokers) -> Client:
    return await nats.connect(brokers.url.split(","), connect_timeout=5, reconnect_time_wait=0.2)


async def until(brokers: Brokers, names: list[str]) -> None:

    async with asyncio.timeout(START_SECONDS):
        while not all([await brokers.healthy(name) for name in names]):
            await asyncio.sleep(0.2)


async def patiently(attempt: Callable[[], Awaitable[R]]) -> R:
    """Until it succeeds: a cluster that elects a leader, on a busy machine, lets callers wait."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                return await attempt()
            except (Unavailable, nats.errors.Error, TimeoutError):
                await asyncio.sleep(0.2)


async def test_what_was_acknowledged_survives_the_loss_of_the_leader_under_load(
    brokers: Brokers,
) -> None:
    await until(brokers, list(brokers.running))
    client = await connect(brokers)
    js = client.jetstream(timeout=10)
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    acknowledged: list[int] = []

    async def append(n: int) -> None:
        """Stored once, however often it is tried."""
        headers = {"Nats-Msg-Id": str(n)}
        subject = f"evt.t.source.{n}.created"
        await js.publish(subject, b"{}", headers=headers, timeout=WRITE_SECONDS)

    async def write(n: int) -> None:
        while not over.is_set():
            await patiently(partial(append, n))
            acknowledged.append(n)
            n += WRITERS

    async def so_many_more(wanted: int) -> None:
        reached = len(acknowledged) + wanted

        async def look() -> None:
            assert len(acknowledged) >= reached

        await eventually(look)

    async def streams() -> None:
        await ensure_streams(client, replicas=BROKERS)

    try:
        await patiently(streams)
        for stream in STREAMS:
            found = await patiently(partial(js.stream_info, str(stream.name)))
            assert found.config.num_replicas == BROKERS
        info = await patiently(partial(js.stream_info, "EVENTS"))
        assert info.cluster
        leader = str(info.cluster.leader)
        async with asyncio.TaskGroup() as writers:
            for first in range(WRITERS):
                writers.create_task(write(first))
            await so_many_more(20)
            brokers.running[leader].kill()
            killed = loop.time()
            # What was on its way from the old leader is not from another one.
            await so_many_more(WRITERS + 1)
            log.info("written again %.1f s after the leader's death", loop.time() - killed)
            brokers.running.pop(leader).wait()
            over.set()
        seen = partial(js.stream_info, "EVENTS", subjects_filter="evt.t.source.*.created")
        subjects = (await patiently(seen)).state.subjects
        assert subjects == {f"evt.t.source.{n}.created": 1 for n in acknowledged}
        await patiently(streams)  # so services can start
    finally:
        await client.close()
