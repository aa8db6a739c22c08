"""One broker and one database for all contract and integration tests, both real.

Tests keep apart by fresh tenants and fresh names of read models, never by restarting a server.
"""

import functools
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override
from xdist.scheduler import LoadFileScheduling

from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.postgres import create_engine
from shared.adapters.topology import ensure_streams
from shared.adapters.vault import BUCKET, Keyring, Vault
from shared.contracts.base import Event
from shared.embedded.servers import Servers, embedded_servers
from shared.embedded.surroundings import SERVICES
from shared.kernel.decoding import EventRegistry
from shared.kernel.ids import new_id
from shared.kernel.registry import released
from tests.bank.messages import EVENTS
from tests.harness import reachable

ROOT = Path(__file__).parents[1]
CHAOS, END_TO_END = ROOT / "tests" / "chaos", ROOT / "tests" / "e2e"
REGISTRY = EventRegistry([*released(Event), *EVENTS])
# Hundreds of processes are started. What one of them has compiled is there for all others, also
# where the environment of a container keeps Python from writing it down.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among what is loaded and collected: all of it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first: several processes then end at the same time. The storm waits
    more than it works, which leaves its share to the others from the beginning.

    What must hold under faults has one try, if it names no error of its own (ADR 0101).
    """
    for item in items:
        if item.path.is_relative_to(CHAOS) and not item.get_closest_marker("flaky"):
            item.add_marker(pytest.mark.flaky(reruns=0))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(
        key=lambda item: (
            not _kills(item.path),
            item.path not in slow,
            not item.path.is_relative_to(CHAOS),
            not item.path.is_relative_to(END_TO_END),
        )
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell why a test had another try, or nobody could look into it."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"why there was another try of {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Of several processes, the one that starts a stack for tests that kill it runs them all."""
    return ByStack(config, log) if config.getvalue("dist") == "loadfile" else None


class ByStack(LoadFileScheduling):  # type: ignore[misc]  # xdist tells no types
    """File by file, but for those that need the installation which may be killed."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "isolated" if _kills(ROOT / file) else file


@functools.cache
def _kills(file: Path) -> bool:
    return "isolated: Installation" in file.read_text()


@pytest.fixture(scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    data_dir = reachable(tmp_path_factory, "servers") / "data"
    async with embedded_servers(data_dir, (*SERVICES, "bank")) as running:
        yield running


@pytest.fixture(scope="session")
async def client(servers: Servers) -> AsyncIterator[Client]:
    connected = await nats_client.connect(servers.nats_url, "tests")
    await ensure_streams(connected)
    yield connected
    await connected.close()


@pytest.fixture(scope="session")
async def vault(client: Client, servers: Servers) -> Vault:
    bucket = await client.jetstream().key_value(BUCKET)
    return Vault(bucket, Keyring.parse(servers.secrets.vault_key))


@pytest.fixture(scope="session")
def codec(vault: Vault) -> Codec:
    return Codec(vault, REGISTRY)


@pytest.fixture(scope="session")
def event_log(client: Client, codec: Codec) -> EventLog:
    return EventLog(client, codec, "tests")


@pytest.fixture(scope="session")
async def engines(servers: Servers) -> AsyncIterator[Callable[[str], AsyncEngine]]:
    """The engine of a service, with its own role."""
    made: dict[str, AsyncEngine] = {}

    def engine(service: str) -> AsyncEngine:
        if service not in made:
            made[service] = create_engine(servers.database_url(service), "tests")
        return made[service]

    yield engine
    for one in made.values():
        await one.dispose()


@pytest.fixture
def tenant_id() -> str:
    return new_id()


@pytest.fixture
def other_tenant_id() -> str:
    return new_id()
