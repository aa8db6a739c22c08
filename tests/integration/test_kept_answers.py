"""Answers that are kept are no older than their rows, over the broker and within a process."""

from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client

from shared.adapters.envelope import Codec
from shared.kernel.errors import NotFound
from shared.kernel.ids import new_id
from shared.runtime.bus import Asked, Bus
from tests.bank.messages import AccountView, Deposit, OpenAccount, metadata
from tests.eventually import eventually
from tests.integration.serving import SECONDS, Bank, GetKeptAccount


@pytest.fixture
async def running(bank: Bank) -> AsyncIterator[Bank]:
    async with bank.running():
        yield bank


@pytest.fixture(params=["near", "far"])
async def asking(
    request: pytest.FixtureRequest, running: Bank, client: Client, codec: Codec
) -> Bus:
    """Asks a neighbour, or over the broker."""
    near = running.service.platform.neighbours if request.param == "near" else None
    asking = Bus(client, codec, neighbours=near)
    await asking.start()
    return asking


async def opened(bus: Bus, tenant_id: str, account_id: str) -> None:
    order = OpenAccount(account_id=account_id, owner="Ada", number=account_id)
    assert await bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)


async def paid_in(bus: Bus, tenant_id: str, account_id: str) -> None:
    order = Deposit(account_id=account_id, amount=5)
    assert await bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)


async def balance(bus: Bus, tenant_id: str, account_id: str) -> int:
    question = GetKeptAccount(account_id=account_id)
    found = await bus.ask(question, AccountView, metadata(tenant_id), timeout=SECONDS)
    return found.balance


async def kept(bank: Bank, bus: Bus, tenant_id: str, account_id: str) -> None:
    """Wait until the rows are not read for an answer: all that happened is heard and shown."""

    async def look() -> None:
        before = bank.read
        await balance(bus, tenant_id, account_id)
        assert bank.read == before

    await eventually(look)


async def test_rows_are_read_once_until_they_change(
    running: Bank, asking: Bus, tenant_id: str
) -> None:
    account_id = new_id()
    await opened(asking, tenant_id, account_id)
    for times in range(1, 4):
        await kept(running, asking, tenant_id, account_id)
        await paid_in(asking, tenant_id, account_id)
        assert await balance(asking, tenant_id, account_id) == 5 * times


async def test_another_tenant_gets_nothing_of_it(
    running: Bank, asking: Bus, tenant_id: str, other_tenant_id: str
) -> None:
    account_id = new_id()
    await opened(asking, tenant_id, account_id)
    await kept(running, asking, tenant_id, account_id)
    with pytest.raises(NotFound):
        await balance(asking, other_tenant_id, account_id)


async def test_refusals_are_not_kept(asking: Bus, tenant_id: str) -> None:
    await opened(asking, tenant_id, new_id())
    account_id = new_id()
    for _ in range(2):
        with pytest.raises(NotFound):
            await balance(asking, tenant_id, account_id)
    await opened(asking, tenant_id, account_id)
    assert await balance(asking, tenant_id, account_id) == 0


async def test_a_neighbour_tells_at_once_what_it_keeps_and_nobody_else_does(
    running: Bank, client: Client, codec: Codec, tenant_id: str
) -> None:
    near = Bus(client, codec, neighbours=running.service.platform.neighbours)
    await near.start()
    account_id = new_id()
    await opened(near, tenant_id, account_id)
    asked = Asked.of(GetKeptAccount(account_id=account_id))

    async def look() -> None:
        await balance(near, tenant_id, account_id)
        assert near.known(asked, tenant_id) == await near.told(asked, metadata(tenant_id))

    await eventually(look)
    assert near.known(Asked.of(GetKeptAccount(account_id=new_id())), tenant_id) is None
    assert Bus(client, codec).known(asked, tenant_id) is None
