"""Who answers a turn hears that it is to stop, in whichever process it is."""

import asyncio

import pytest
from nats.aio.client import Client

from services.chat.adapters.stops import StopSignals


@pytest.fixture
async def signals(client: Client) -> StopSignals:
    signals = StopSignals(client)
    await signals.follow()
    return signals


async def test_is_heard_by_whoever_listens_for_that_turn_of_that_tenant(
    client: Client, signals: StopSignals, tenant_id: str, other_tenant_id: str
) -> None:
    async with (
        signals.heard(tenant_id, "t1") as meant,
        signals.heard(tenant_id, "t2") as other_turn,
        signals.heard(other_tenant_id, "t1") as other_tenant,
    ):
        await signals.tell(tenant_id, "t1")
        async with asyncio.timeout(120):
            await meant.wait()
        await signals.tell(tenant_id, "t1")
        await client.flush()
        assert not other_turn.is_set()
        assert not other_tenant.is_set()


async def test_is_heard_by_a_second_attempt_while_the_first_one_ends(
    signals: StopSignals, tenant_id: str
) -> None:
    async with signals.heard(tenant_id, "t1") as second:
        async with signals.heard(tenant_id, "t1") as first:
            pass
        await signals.tell(tenant_id, "t1")
        async with asyncio.timeout(120):
            await second.wait()
        assert not first.is_set()


async def test_nobody_hears_it_afterwards(
    client: Client, signals: StopSignals, tenant_id: str
) -> None:
    before = len(client._subs)
    async with signals.heard(tenant_id, "t1") as stopped:
        assert len(client._subs) == before
    await signals.tell(tenant_id, "t1")
    await client.flush()
    assert not stopped.is_set()
    assert not signals._listening
