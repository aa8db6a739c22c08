"""Read models of accounts, beside the servers of all tests."""

from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.event_log import EventLog
from shared.adapters.read_model import ReadModelStore
from tests.bank.rows import AccountQueries, accounts_model


@pytest.fixture
def engine(engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
    """Of the service under test; override it for another."""
    return engines("bank")


@pytest.fixture
async def store(engine: AsyncEngine, event_log: EventLog) -> AsyncIterator[ReadModelStore]:
    """Accounts, empty, and up to what is in the log already."""
    made = ReadModelStore(engine, accounts_model())
    await made.create(await event_log.identity())
    async with made.writing() as db:
        assert await made.advance(db, 0, await event_log.last_sequence())
    yield made
    await made.drop()


@pytest.fixture
def queries(store: ReadModelStore) -> AccountQueries:
    return AccountQueries(store)
