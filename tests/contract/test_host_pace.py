"""The pace of a site, shared by everybody on the broker."""

import asyncio
from datetime import timedelta

import pytest
from nats.aio.client import Client

from services.ingest.adapters.host_pace import BrokerPace
from shared.adapters.topology import PACE
from shared.kernel.clock import utc_now
from shared.kernel.ids import new_id

PATIENT = 1000.0


@pytest.fixture
async def pace(client: Client) -> BrokerPace:
    return BrokerPace(await client.jetstream().key_value(PACE))


@pytest.fixture
def site() -> str:
    return f"{new_id()}.example"


async def test_the_first_waits_for_nobody_and_the_others_for_each_other(
    pace: BrokerPace, client: Client, site: str
) -> None:
    others = BrokerPace(await client.jetstream().key_value(PACE))
    waits = await asyncio.gather(
        *(one.reserve(site, 30.0, PATIENT) for one in (pace, others) for _ in range(3))
    )
    assert [round(wait / 30) for wait in sorted(waits)] == [0, 1, 2, 3, 4, 5]


async def test_who_is_not_so_patient_reserves_nothing(pace: BrokerPace, site: str) -> None:
    assert await pace.reserve(site, 30.0, 1.0) == 0
    for _ in range(3):
        assert 20 < await pace.reserve(site, 30.0, 1.0) <= 30


async def test_a_site_that_is_held_is_left_alone_and_never_for_less_than_it_was(
    pace: BrokerPace, site: str
) -> None:
    await pace.hold(site, 60.0)
    await pace.hold(site, 5.0)
    assert 50 < await pace.reserve(site, 30.0, 1.0) <= 60
    assert 50 < await pace.reserve(site, 30.0, PATIENT) <= 60
    assert 80 < await pace.reserve(site, 30.0, 1.0) <= 90


async def test_sites_do_not_wait_for_each_other(pace: BrokerPace, site: str) -> None:
    assert await pace.reserve(site, 30.0, PATIENT) == 0
    assert await pace.reserve(f"www.{site}", 30.0, PATIENT) == 0


async def test_a_clock_that_is_put_back_holds_no_site(
    pace: BrokerPace, client: Client, site: str
) -> None:
    bucket, hour = await client.jetstream().key_value(PACE), timedelta(hours=1)
    before = BrokerPace(bucket, lambda: utc_now() + hour)
    await before.hold(site, 60.0)
    assert await before.reserve(site, 30.0, 1.0) > 20
    assert await pace.reserve(site, 30.0, 1.0) == 0
    assert 20 < await pace.reserve(site, 30.0, 1.0) <= 30
