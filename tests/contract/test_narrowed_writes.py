"""What the database lets a projection write while it applies one tenant's event."""

from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Metadata, Recorded
from shared.kernel.clock import utc_now
from shared.kernel.ids import new_id
from tests.bank.messages import RateSet
from tests.bank.rows import Accounts, accounts_model, cards


class Mixing(Accounts):
    """Writes for whatever tenant it is told, as a projection with a mistake would."""

    def __init__(self) -> None:
        super().__init__()
        self.tenant_id: str | None = None

    @override
    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        tenant_id = self.tenant_id or recorded.tenant_id
        row = {"tenant_id": tenant_id, "id": new_id(), "account_id": "a"}
        await db.execute(insert(cards).values(row))


def event(tenant_id: str, sequence: int) -> Recorded[Event]:
    metadata = Metadata(
        tenant_id=tenant_id, message_id=new_id(), correlation_id=new_id(), now=utc_now()
    )
    return Recorded(RateSet(currency="EUR", value=1), metadata, new_id(), sequence)


@pytest.fixture
def projection() -> Mixing:
    return Mixing()


@pytest.fixture
async def store(
    engines: Callable[[str], AsyncEngine], projection: Mixing
) -> AsyncIterator[ReadModelStore]:
    made = ReadModelStore(engines("bank"), accounts_model(projection))
    await made.create("a log")
    yield made
    await made.drop()


async def count(store: ReadModelStore, tenant_id: str) -> int:
    async with store.reading(tenant_id) as db:
        return int(await db.scalar(select(func.count()).select_from(cards)) or 0)


async def test_events_of_many_tenants_are_written_in_one_transaction(
    store: ReadModelStore, tenant_id: str, other_tenant_id: str
) -> None:
    async with store.writing() as db:
        tenants = (tenant_id, other_tenant_id, tenant_id)
        await store.apply(db, [event(tenant, n) for n, tenant in enumerate(tenants, 1)])
    assert (await count(store, tenant_id), await count(store, other_tenant_id)) == (2, 1)


async def test_a_projection_that_mixes_tenants_up_is_stopped(
    store: ReadModelStore, projection: Mixing, tenant_id: str, other_tenant_id: str
) -> None:
    projection.tenant_id = other_tenant_id
    with pytest.raises(DBAPIError, match="row-level security"):
        async with store.writing() as db:
            await store.apply(db, [event(tenant_id, 1)])
    assert await count(store, other_tenant_id) == 0


async def test_tables_that_were_made_without_it_are_secured_at_the_next_start(
    store: ReadModelStore, projection: Mixing, tenant_id: str, other_tenant_id: str
) -> None:
    projection.tenant_id = other_tenant_id
    table = f'"{store.schema}".cards'
    async with store.engine.begin() as db:
        await db.exec_driver_sql(f"alter table {table} no force row level security")
    async with store.writing() as db:
        await store.apply(db, [event(tenant_id, 1)])
    await store.secure()
    with pytest.raises(DBAPIError, match="row-level security"):
        async with store.writing() as db:
            await store.apply(db, [event(tenant_id, 2)])
