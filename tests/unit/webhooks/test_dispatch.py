"""Lanes: one delivery at a time per endpoint, and nobody waits for anybody else."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from typing_extensions import override

from services.webhooks.ports import Alarm, Head, Lane, Lanes, Leadership, Pending, Timers
from services.webhooks.reactions.dispatch import OF_ONE_TENANT, Dispatch, WakeLane
from shared.contracts.webhooks import (
    DeliveryScheduled,
    RedeliveryRequested,
    WebhookSettings,
    WebhookUpdated,
)
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable
from tests.eventually import eventually
from tests.unit.samples import T0, TENANT, recorded

HERE = Lane("t1", "w1")


@dataclass
class Rows(Lanes):
    """What is to be sent, by lane."""

    waiting: dict[Lane, list[Pending]] = field(default_factory=lambda: defaultdict(list))

    def add(self, lane: Lane, *names: str, due: datetime = T0) -> None:
        self.waiting[lane] += [
            Pending(name, name, "chat.message", "{}", 1, due, "c", None) for name in names
        ]

    @override
    async def head_of(self, lane: Lane, now: datetime) -> Head:
        await asyncio.sleep(0)
        return Head(self.waiting[lane][0] if self.waiting[lane] else None, None)

    @override
    async def lanes(self) -> Sequence[Lane]:
        return [lane for lane, waiting in self.waiting.items() if waiting]


@dataclass
class Alone(Leadership):
    """The only replica; alarms go to `woken`."""

    woken: Callable[[Lane], Awaitable[None]] | None = None
    terms: int = 0
    lost: bool = False

    @override
    @asynccontextmanager
    async def leading(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        self.terms += 1

        async def still() -> None:
            if self.lost:
                self.lost = False
                raise Unavailable("the database is away")

        yield still

    @override
    @asynccontextmanager
    async def hear(self, woken: Callable[[Lane], Awaitable[None]]) -> AsyncIterator[None]:
        self.woken = woken
        yield
        self.woken = None

    async def wake(self, lane: Lane) -> None:
        assert self.woken is not None
        await self.woken(lane)


class Clock(Timers):
    """Remembers what was set."""

    def __init__(self) -> None:
        self.set_to: dict[Lane, datetime] = {}
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        """What happens while a timer is set."""

    @override
    async def set(self, lane: Lane, at: datetime) -> None:
        self.set_to[lane] = at
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()


class World:
    """Receivers that take a delivery once `open` is set, and what they got."""

    def __init__(self) -> None:
        self.rows, self.leadership, self.timers = Rows(), Alone(), Clock()
        self.got: list[str] = []
        self.busy: dict[Lane, int] = defaultdict(int)
        self.open: dict[Lane, asyncio.Event] = defaultdict(asyncio.Event)
        self.off: set[Lane] = set()
        self.fails = 0
        self.stopping = asyncio.Event()
        self.dispatch = Dispatch(self.leadership, self.rows, self.timers, self.deliver)

    async def deliver(self, lane: Lane, pending: Pending) -> bool:
        if lane in self.off:
            return False
        if self.fails:
            self.fails -= 1
            raise Unavailable("the broker is away")
        self.busy[lane] += 1
        assert self.busy[lane] == 1, "two at a time to one endpoint"
        await self.open[lane].wait()
        self.busy[lane] -= 1
        self.got.append(pending.delivery_id)
        self.rows.waiting[lane].remove(pending)
        return True

    def ready(self, *lanes: Lane) -> None:
        for lane in lanes:
            self.open[lane].set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        life = asyncio.ensure_future(self.dispatch.run(self.stopping))
        try:
            await self.until(lambda: self.leadership.woken is not None)
            yield
            self.stopping.set()
            await asyncio.wait_for(life, 120)
        finally:
            life.cancel()
            await asyncio.wait({life})

    async def until(self, fact: Callable[[], bool]) -> None:
        async def look() -> None:
            assert fact(), f"got {self.got}, busy {dict(self.busy)}"

        await eventually(look)


@pytest.fixture
def world() -> World:
    return World()


async def test_who_begins_to_dispatch_looks_at_all_lanes_in_order(world: World) -> None:
    world.rows.add(HERE, "a", "b", "c")
    world.ready(HERE)
    async with world.running():
        await world.until(lambda: world.got == ["a", "b", "c"])


async def test_a_receiver_that_hangs_holds_up_only_itself(world: World) -> None:
    others = [Lane("t1", f"other-{n}") for n in range(10)]
    world.rows.add(HERE, "stuck", "behind")
    async with world.running():
        for lane in others:
            world.rows.add(lane, lane.webhook_id)
            world.ready(lane)
            await world.leadership.wake(lane)
        await world.until(lambda: len(world.got) == len(others))
        assert "behind" not in world.got
        world.ready(HERE)
        await world.until(lambda: world.got[-2:] == ["stuck", "behind"])


async def test_no_number_of_hanging_receivers_holds_up_another_tenant(world: World) -> None:
    stuck = [Lane("t1", f"stuck-{n}") for n in range(3 * OF_ONE_TENANT)]
    healthy = Lane("t2", "healthy")
    for lane in stuck:
        world.rows.add(lane, lane.webhook_id)
    async with world.running():
        await world.until(lambda: sum(world.busy.values()) == OF_ONE_TENANT)
        world.rows.add(healthy, "healthy")
        world.ready(healthy)
        await world.leadership.wake(healthy)
        await world.until(lambda: world.got == ["healthy"])
        assert sum(world.busy.values()) == OF_ONE_TENANT
        world.ready(*stuck)
        await world.until(lambda: len(world.got) == len(stuck) + 1)


async def test_what_is_due_later_sets_a_timer_and_its_tick_sends_it(world: World) -> None:
    due = utc_now() + timedelta(hours=1)
    world.rows.add(HERE, "later", due=due)
    world.ready(HERE)
    async with world.running():
        await world.until(lambda: world.timers.set_to == {HERE: due})
        assert world.got == []
        world.rows.waiting[HERE].clear()
        world.rows.add(HERE, "later")
        await world.leadership.wake(HERE)
        await world.until(lambda: world.got == ["later"])


async def test_a_timer_that_goes_off_too_early_is_not_set_again_at_once(world: World) -> None:
    """The broker's clock is before ours: to it every time that we name has passed."""
    due, other = utc_now() + timedelta(hours=1), Lane("t1", "w2")
    world.rows.add(HERE, "late", due=due)
    world.dispatch.patience = 60.0
    async with world.running():
        await world.until(lambda: world.timers.set_to == {HERE: due})
        world.timers.set_to.clear()
        await world.leadership.wake(HERE)
        world.rows.add(other, "now")
        world.ready(HERE, other)
        await world.leadership.wake(other)
        await world.until(lambda: world.got == ["now"])
        assert world.timers.set_to == {}
        world.rows.waiting[HERE].insert(
            0, Pending("new", "new", "chat.message", "{}", 1, T0, "c", None)
        )
        await world.leadership.wake(HERE)
        await world.until(lambda: world.got == ["now", "new"])


async def test_what_is_due_in_a_moment_is_waited_for(world: World) -> None:
    world.rows.add(HERE, "soon", due=utc_now() + timedelta(seconds=0.3))
    world.ready(HERE)
    async with world.running():
        await world.until(lambda: world.got == ["soon"])
    assert world.timers.set_to == {}


async def test_what_comes_while_a_lane_runs_is_sent_as_well(world: World) -> None:
    world.rows.add(HERE, "a")
    async with world.running():
        await world.until(lambda: world.busy[HERE] == 1)
        world.rows.add(HERE, "b")
        await world.leadership.wake(HERE)
        world.ready(HERE)
        await world.until(lambda: world.got == ["a", "b"])


async def test_what_comes_while_a_lane_goes_to_rest_is_not_missed(world: World) -> None:
    async def another() -> None:
        world.rows.waiting[HERE].clear()
        world.rows.add(HERE, "now")
        await world.leadership.wake(HERE)

    world.timers.meanwhile = another
    world.rows.add(HERE, "later", due=utc_now() + timedelta(hours=1))
    world.ready(HERE)
    async with world.running():
        await world.until(lambda: world.got == ["now"])


async def test_a_lane_that_fails_goes_on_with_the_same_delivery(world: World) -> None:
    world.fails = 1
    world.rows.add(HERE, "a", "b")
    world.ready(HERE)
    async with world.running():
        await world.until(lambda: world.got == ["a", "b"])


async def test_an_endpoint_that_is_off_is_left_alone_until_it_is_on(world: World) -> None:
    world.off.add(HERE)
    world.rows.add(HERE, "a")
    world.ready(HERE)
    async with world.running():
        await world.leadership.wake(HERE)
        world.off.clear()
        await world.leadership.wake(HERE)
        await world.until(lambda: world.got == ["a"])


async def test_stopping_finishes_what_was_begun_and_begins_nothing(world: World) -> None:
    world.rows.add(HERE, "begun", "not begun")
    async with world.running():
        await world.until(lambda: world.busy[HERE] == 1)
        world.stopping.set()
        await asyncio.sleep(0)
        world.ready(HERE)
    assert world.got == ["begun"]


async def test_who_lost_the_lead_stops_and_begins_anew(world: World) -> None:
    world.rows.add(HERE, "a")
    async with world.running():
        await world.until(lambda: world.busy[HERE] == 1)
        world.leadership.lost = True
        await world.until(lambda: world.leadership.terms == 2)
        world.busy.clear()
        world.ready(HERE)
        await world.until(lambda: world.got == ["a"])


class Heard(Alarm):
    """Notes which lanes were woken."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []

    @override
    async def wake(self, lane: Lane) -> None:
        self.lanes.append(lane)


def scheduled(*, test: bool = False) -> DeliveryScheduled:
    return DeliveryScheduled(
        delivery_id="d1",
        webhook_id="w1",
        message_id="e1",
        event_type="chat.message",
        occurred_at=T0,
        position=1,
        body="{}",
        test=test,
    )


def updated(*, is_active: bool) -> WebhookUpdated:
    settings = WebhookSettings(url="https://example.com", is_active=is_active)
    return WebhookUpdated(webhook_id="w1", settings=settings)


@pytest.mark.parametrize(
    ("event", "wakes"),
    [
        (scheduled(), True),
        (scheduled(test=True), False),
        (RedeliveryRequested(delivery_id="d1", webhook_id="w1"), True),
        (updated(is_active=True), True),
        (updated(is_active=False), False),
    ],
)
async def test_facts_wake_the_lane_that_they_concern(
    event: DeliveryScheduled | RedeliveryRequested | WebhookUpdated, wakes: bool
) -> None:
    async def shown(position: int, _seconds: float) -> int:
        return position

    heard = Heard()
    await WakeLane(heard, shown)(recorded(event))
    assert heard.lanes == ([Lane(TENANT, "w1")] if wakes else [])


async def test_a_delivery_that_is_not_shown_yet_wakes_nobody() -> None:
    async def shown(position: int, _seconds: float) -> int:
        return position - 1

    heard = Heard()
    with pytest.raises(Unavailable):
        await WakeLane(heard, shown)(recorded(scheduled()))
    assert heard.lanes == []
