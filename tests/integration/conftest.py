"""Read models of accounts, beside the servers of all tests."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from nats.aio.client import Client
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters import nats_client
from shared.adapters.blobs import Blobs
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.read_model import ReadModelStore
from shared.adapters.vault import Vault
from shared.embedded.servers import Servers
from shared.runtime.bus import Bus
from shared.runtime.commands import CommandHandler
from shared.runtime.platform import Platform
from tests.bank.rows import AccountQueries, accounts_model
from tests.integration.faults import opened
from tests.integration.serving import Bank, open_platform


@pytest.fixture
def engine(engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
    """Of the service under test; override it for another."""
    return engines("bank")


@pytest.fixture
async def store(engine: AsyncEngine, event_log: EventLog) -> AsyncIterator[ReadModelStore]:
    """Accounts, empty, and up to what is in the log already."""
    made = ReadModelStore(engine, accounts_model())
    await made.create(await event_log.identity())
    async with made.looking() as found:
        moved = made.advance(0, await event_log.last_sequence())
        assert await found.driver.execute(moved) == "UPDATE 1"
    yield made
    await made.drop()


@pytest.fixture
def queries(store: ReadModelStore) -> AccountQueries:
    return AccountQueries(store)


@pytest.fixture
async def platform(
    servers: Servers, engine: AsyncEngine, codec: Codec, vault: Vault, tmp_path: Path
) -> AsyncIterator[Platform]:
    """Of a service named `bank`."""
    blobs = Blobs.open((tmp_path / "blobs").as_uri())
    made = await open_platform(servers.nats_url, "bank", engine, codec, vault, blobs)
    yield made
    # A service that ran has closed it. One that is left open looks for its broker for ever.
    await made.client.close()


@pytest.fixture
def bank(platform: Platform, client: Client) -> Bank:
    """Not yet running. The client has made the streams."""
    return Bank.on(platform)


@pytest.fixture
async def bus(servers: Servers, codec: Codec) -> AsyncIterator[Bus]:
    """Somebody who orders and asks, over another connection than the service's."""
    connected = await nats_client.connect(servers.nats_url, "bus")
    made = Bus(connected, codec)
    await made.start()
    yield made
    await connected.close()


@pytest.fixture
def handler(store: ReadModelStore, event_log: EventLog) -> CommandHandler:
    return CommandHandler(store, event_log)


@pytest.fixture
async def account_id(handler: CommandHandler, tenant_id: str) -> str:
    """An open account with nothing in it."""
    return await opened(handler, tenant_id)
