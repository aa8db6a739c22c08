"""A clock that is set is noticed, and what waits for it is set anew."""

import asyncio
from datetime import timedelta

import pytest

from shared.kernel.errors import Unavailable
from shared.runtime.clock_watch import JUMP, ClockWatch, hurrying, when_set
from tests.unit.samples import T0

HOUR = timedelta(hours=1)


class Time:
    """A clock and a count of seconds."""

    def __init__(self) -> None:
        self.now, self.count = T0, 1000.0

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.count += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def watch(time: Time) -> ClockWatch:
    return ClockWatch(lambda: time.now, lambda: time.count)


def test_time_that_passes_is_no_jump(time: Time, watch: ClockWatch) -> None:
    time.passes(86_400)
    assert not watch.jumped()


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_clock_that_is_set_is_noticed_once(time: Time, watch: ClockWatch, by: timedelta) -> None:
    time.passes(2)
    time.now += by
    assert watch.jumped() == by
    time.passes(2)
    assert not watch.jumped()


def test_a_clock_that_is_kept_right_bit_by_bit_is_none(time: Time, watch: ClockWatch) -> None:
    for _ in range(10):
        time.now += JUMP / 2
        assert not watch.jumped()


class Hurried:
    """Timers that say how much sooner they were to go off; the first time they cannot be set."""

    def __init__(self) -> None:
        self.asked = 0
        self.by: list[tuple[str, timedelta]] = []

    async def hurry(self, kind: str, by: timedelta) -> None:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("the broker is away")
        self.by.append((kind, by))


async def test_what_is_due_is_done_until_it_is_done(time: Time, watch: ClockWatch) -> None:
    hurried = Hurried()
    watching = asyncio.ensure_future(when_set(hurrying(hurried, "a", "b"), watch, every=0))
    time.now -= HOUR
    while len(hurried.by) < 2:
        await asyncio.sleep(0)
    watching.cancel()
    assert hurried.by == [("a", HOUR), ("b", HOUR)]
    assert hurried.asked == 3


async def test_a_clock_that_is_put_forward_makes_nobody_hurry() -> None:
    hurried = Hurried()
    await hurrying(hurried, "a")(HOUR)
    assert hurried.asked == 0
