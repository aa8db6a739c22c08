"""Timers of a running service on a real broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from shared.contracts.base import Metadata
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable
from shared.kernel.ids import new_id
from shared.runtime.timers import STREAM, Tick, Timers
from tests.bank.messages import metadata
from tests.eventually import eventually
from tests.integration.serving import Bank

SOON = timedelta(seconds=0.3)


@pytest.fixture
def kind() -> str:
    """Of its own, as ticks of other tests lie in the stream."""
    return f"k{new_id()[:8]}"


class Heard:
    """Remembers who woke it, and fails as often as it is told."""

    def __init__(self, kind: str, fails: int = 0) -> None:
        self.kind = kind
        self.ticks: list[Tick] = []
        self.given_up: list[tuple[str, str]] = []
        self._fails = fails

    async def wake(self, tick: Tick) -> None:
        if self._fails:
            self._fails -= 1
            raise Unavailable("not now")
        self.ticks.append(tick)

    async def give_up(self, tick: Tick, reason: str) -> None:
        self.given_up.append((tick.timer_id, reason))

    async def hears(self, *bodies: bytes) -> None:
        async def look() -> None:
            assert [tick.body for tick in self.ticks] == list(bodies)

        await eventually(look)


@asynccontextmanager
async def listening(bank: Bank, heard: Heard) -> AsyncIterator[Timers]:
    bank.service.wakes(heard.kind, heard.wake, given_up=heard.give_up)
    async with bank.running():
        yield bank.service.timers


def cause(tenant_id: str) -> Metadata:
    return metadata(tenant_id, new_id())


async def test_a_timer_goes_off_with_its_body_and_cause(
    bank: Bank, tenant_id: str, kind: str
) -> None:
    heard, why = Heard(kind), cause(tenant_id)
    async with listening(bank, heard) as timers:
        at = utc_now() + SOON
        await timers.set(kind, "t1", at, why, b"one")
        await heard.hears(b"one")
        assert utc_now() >= at
    assert heard.ticks[0].timer_id == "t1"
    assert heard.ticks[0].metadata == why


async def test_a_time_that_has_passed_is_now(bank: Bank, tenant_id: str, kind: str) -> None:
    heard = Heard(kind)
    async with listening(bank, heard) as timers:
        await timers.set(kind, "t1", utc_now() - timedelta(days=3), cause(tenant_id), b"one")
        await heard.hears(b"one")


async def test_setting_it_again_replaces_it_and_cancelling_ends_it(
    bank: Bank, client: Client, tenant_id: str, kind: str
) -> None:
    """What is to go off in an hour shows in the broker: nobody can be too late to change it."""
    heard, why = Heard(kind), cause(tenant_id)
    js = client.jetstream()

    async def waiting() -> set[str]:
        info = await js.stream_info(STREAM, subjects_filter=f"sched.{tenant_id}.{kind}.*")
        return {subject.rsplit(".", 1)[1] for subject in info.state.subjects or {}}

    async with listening(bank, heard) as timers:
        later = utc_now() + timedelta(hours=1)
        await timers.set(kind, "t1", later, why, b"first")
        await timers.set(kind, "t2", later, why, b"never")
        assert await waiting() == {"t1", "t2"}
        await timers.cancel(tenant_id, kind, "t2")
        await timers.cancel(tenant_id, kind, "t3")
        assert await waiting() == {"t1"}
        await timers.set(kind, "t1", utc_now() + SOON, why, b"second")
        await heard.hears(b"second")


async def test_what_went_off_while_nobody_listened_comes_to_the_last_of_it(
    bank: Bank, client: Client, tenant_id: str, kind: str
) -> None:
    timers, why = Timers(client), cause(tenant_id)
    for body in (b"one", b"two", b"three"):
        await timers.set(kind, "t1", utc_now(), why, body)

        async def went_off(body: bytes = body) -> None:
            subject = f"tick.{tenant_id}.{kind}.t1"
            try:
                last = await client.jetstream().get_last_msg("SCHED", subject)
            except NotFoundError:
                raise AssertionError(body) from None
            assert last.data == body

        await eventually(went_off)
    heard = Heard(kind)
    async with listening(bank, heard):
        await heard.hears(b"three")


async def test_a_wake_that_fails_is_tried_again_and_then_given_up(
    bank: Bank, tenant_id: str, kind: str
) -> None:
    heard = Heard(kind, fails=3)
    async with listening(bank, heard) as timers:
        await timers.set(kind, "t1", utc_now(), cause(tenant_id), b"one")

        async def given_up() -> None:
            assert heard.given_up == [("t1", "not now")]

        await eventually(given_up)
        await timers.set(kind, "t1", utc_now(), cause(tenant_id), b"two")
        await heard.hears(b"two")


async def test_a_timer_that_waits_for_a_clock_that_was_put_back_goes_off_sooner(
    bank: Bank, tenant_id: str, kind: str
) -> None:
    heard, why, hour = Heard(kind), cause(tenant_id), timedelta(hours=1)
    async with listening(bank, heard) as timers:
        await timers.set(kind, "t1", utc_now() + hour, why, b"one")
        await timers.set(kind, "t2", utc_now() + 3 * hour, why, b"two")
        await timers.hurry(kind, hour)
        await heard.hears(b"one")
        await timers.hurry(kind, 2 * hour)
        await heard.hears(b"one", b"two")
    assert [tick.timer_id for tick in heard.ticks] == ["t1", "t2"]
    assert [tick.metadata for tick in heard.ticks] == [why, why]


async def test_other_kinds_do_not_hurry(bank: Bank, tenant_id: str, kind: str) -> None:
    heard, why, hour = Heard(kind), cause(tenant_id), timedelta(hours=1)
    async with listening(bank, heard) as timers:
        await timers.set(kind, "t1", utc_now() + hour, why, b"later")
        await timers.hurry(f"{kind}x", 2 * hour)
        await timers.set(kind, "t2", utc_now() + SOON, why, b"soon")
        await heard.hears(b"soon")
