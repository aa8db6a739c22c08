"""The pauses of providers, shared by everybody on the broker."""

from datetime import timedelta

import pytest
from nats.aio.client import Client

from services.ingest.adapters.pacing import BrokerPauses
from shared.adapters.topology import PACE
from shared.kernel.clock import utc_now
from shared.kernel.ids import new_id


@pytest.fixture
async def pauses(client: Client) -> BrokerPauses:
    return BrokerPauses(await client.jetstream().key_value(PACE))


async def test_a_pause_holds_for_every_replica_and_for_its_account_alone(
    pauses: BrokerPauses, client: Client
) -> None:
    account, others = new_id(), BrokerPauses(await client.jetstream().key_value(PACE))
    assert await pauses.left(account) == 0
    await pauses.pause(account, 3000)
    assert 2000 < await others.left(account) <= 3000
    assert await others.left(new_id()) == 0


async def test_a_shorter_pause_does_not_end_a_longer_one(pauses: BrokerPauses) -> None:
    account = new_id()
    await pauses.pause(account, 3000)
    await pauses.pause(account, 1)
    assert await pauses.left(account) > 2000


async def test_a_pause_that_is_over_is_none(pauses: BrokerPauses) -> None:
    account = new_id()
    await pauses.pause(account, -1)
    assert await pauses.left(account) == 0


async def test_a_clock_that_is_put_back_makes_no_pause_longer(
    pauses: BrokerPauses, client: Client
) -> None:
    bucket, hour = await client.jetstream().key_value(PACE), timedelta(hours=1)
    before = BrokerPauses(bucket, lambda: utc_now() + hour)
    account = new_id()
    await before.pause(account, 3000)
    assert await before.left(account) > 2000
    assert await pauses.left(account) == 0
    await pauses.pause(account, 2000)
    assert 1000 < await pauses.left(account) <= 2000
