"""Places that are shared fairly, by a clock that the test sets."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from starlette.requests import ClientDisconnect

from shared.web.places import (
    ALWAYS,
    BURST,
    IDLE_SECONDS,
    LONG_SECONDS,
    LONGEST,
    PAUSE_SECONDS,
    Place,
    Places,
)


class Clock:
    """Of a loop that is busy: whenever somebody looks, a turn's work has been done."""

    def __init__(self, work: float = 2 * IDLE_SECONDS) -> None:
        self.now = 0.0
        self.work = work

    def __call__(self) -> float:
        self.now += self.work
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def settled() -> None:
    """Whoever can go on has done so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def placed(places: Places, owner: str) -> Place:
    place = await places.take(owner)
    assert place is not None
    return place


class Crowd:
    """Whoever asks for places, and who has been given one, in that order."""

    def __init__(self, group: asyncio.TaskGroup, places: Places) -> None:
        self._group = group
        self._places = places
        self.served: list[str] = []
        self.held: list[Place] = []

    async def comes(self, *names: str) -> None:
        """Each of the owner that its name begins with."""
        for name in names:
            self._group.create_task(self._take(name))
            await settled()

    async def _take(self, name: str) -> None:
        place = await self._places.take(name[0])
        self.served.append(name if place else f"{name} refused")
        if place:
            self.held.append(place)

    async def has_been_served(self, count: int) -> None:
        """So many of it; between two there may be a pause."""
        while len(self.served) < count:
            await asyncio.sleep(PAUSE_SECONDS)

    async def is_done(self, *, count: int = 1) -> None:
        for _ in range(count):
            while not self.held:
                await asyncio.sleep(PAUSE_SECONDS)
            self._places.give(self.held.pop(0))
            await settled()


class TestABusyLoop:
    async def test_is_given_a_few_things_to_do_and_no_more(self, clock: Clock) -> None:
        async with asyncio.TaskGroup() as group:
            crowd = Crowd(group, Places(64, always=2, clock=clock))
            await crowd.comes("a1", "a2", "a3", "a4")
            assert crowd.served == ["a1", "a2"]
            await crowd.is_done(count=4)
        assert crowd.served == ["a1", "a2", "a3", "a4"]

    async def test_serves_who_asks_seldom_before_who_always_waits(self, clock: Clock) -> None:
        async with asyncio.TaskGroup() as group:
            crowd = Crowd(group, Places(64, always=1, clock=clock))
            await crowd.comes("g1", "g2", "g3", "g4")
            await crowd.is_done()
            await crowd.comes("m1")
            await crowd.is_done(count=4)
        assert crowd.served == ["g1", "g2", "m1", "g3", "g4"]

    async def test_is_not_kept_from_others_by_work_that_mostly_waits(self, clock: Clock) -> None:
        async with asyncio.TaskGroup() as group:
            crowd = Crowd(group, Places(64, always=1, clock=clock))
            await crowd.comes("a1", "b1", "b2")
            assert crowd.served == ["a1"]
            clock.now += 2 * LONG_SECONDS
            await settled()
            assert crowd.served == ["a1", "b1"]
            await crowd.is_done(count=3)

    def test_has_something_to_do_whatever_else_it_does(self) -> None:
        assert ALWAYS > 1


class TestATurnOfTheLoop:
    async def test_begins_no_more_than_a_little_though_all_of_it_is_done_at_once(
        self, clock: Clock
    ) -> None:
        places = Places(64, a_turn=2, clock=clock)
        served: list[str] = []

        async def do(name: str) -> None:
            place = await placed(places, name[0])
            served.append(name)
            places.give(place)

        async with asyncio.TaskGroup() as group:
            for name in ("g1", "g2", "g3", "g4", "g5", "g6"):
                group.create_task(do(name))
            await asyncio.sleep(0)
            assert served == ["g1", "g2"]
            group.create_task(do("m1"))
        assert served == ["g1", "g2", "g3", "g4", "m1", "g5", "g6"]

    async def test_that_has_begun_nothing_lets_everybody_in_at_once(self, clock: Clock) -> None:
        places = Places(64, a_turn=1, clock=clock)
        for _ in range(3):
            places.give(await placed(places, "a"))
            await asyncio.sleep(0)
        assert not places.crowded


class TestAnIdleLoop:
    async def test_is_given_all_that_there_are_places_for(self) -> None:
        async with asyncio.TaskGroup() as group:
            crowd = Crowd(group, Places(6, always=1, clock=Clock(work=0)))
            await crowd.comes("a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4")
            await crowd.has_been_served(6)
            assert sorted(crowd.served) == ["a1", "a2", "a3", "b1", "b2", "b3"]
            await crowd.is_done(count=8)
        assert sorted(crowd.served[6:]) == ["a4", "b4"]

    async def test_leaves_half_of_the_places_to_the_other_owners(self) -> None:
        async with asyncio.TaskGroup() as group:
            crowd = Crowd(group, Places(4, clock=Clock(work=0)))
            await crowd.comes("g1", "g2", "g3", "m1")
            assert crowd.served == ["g1", "g2", "m1"]
            await crowd.is_done(count=4)
        assert crowd.served[3:] == ["g3"]


class TestWaiting:
    async def test_is_for_bursts_and_too_much_is_refused_at_once(self, clock: Clock) -> None:
        async with asyncio.TaskGroup() as group:
            places = Places(4, always=1, clock=clock)
            crowd = Crowd(group, places)
            await crowd.comes("a1", "b1", "a2", "a3")
            assert places.crowded
            assert not places.refuses("a")
            clock.now += 2 * BURST
            assert places.refuses("a")
            assert not places.refuses("b")
            await crowd.comes("a4")
            assert "a4 refused" in crowd.served
            assert "a3" not in crowd.served
            await crowd.is_done(count=2)
            assert not places.refuses("a")  # less waits than one owner has places
            await crowd.is_done(count=2)

    async def test_is_a_burst_anew_once_nobody_waited(self, clock: Clock) -> None:
        async with asyncio.TaskGroup() as group:
            places = Places(2, always=1, clock=clock)
            crowd = Crowd(group, places)
            await crowd.comes("a1", "a2")
            clock.now += BURST
            assert places.refuses("a")
            await crowd.is_done()
            await crowd.comes("a3")
            assert not places.refuses("a")
            await crowd.is_done(count=2)

    async def test_ends_when_it_takes_too_long(self, clock: Clock) -> None:
        places = Places(2, always=1, patience=0, clock=clock)
        place = await placed(places, "a")
        assert await places.take("a") is None
        places.give(place)
        places.give(await placed(places, "a"))

    async def test_ends_for_whoever_would_stand_too_far_behind(self, clock: Clock) -> None:
        places = Places(2, always=1, clock=clock)
        await placed(places, "a")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(places.take("a")) for _ in range(LONGEST)]
            await settled()
            assert places.refuses("a")
            assert await places.take("a") is None
            for task in tasks:
                task.cancel()


class TestWhoGoesAway:
    async def test_is_not_served_and_makes_nobody_wait(self, clock: Clock) -> None:
        places = Places(2, always=1, clock=clock)
        place = await placed(places, "a")
        leave: list[Callable[[], None]] = []
        async with asyncio.TaskGroup() as group:
            gone = group.create_task(_expecting_to_leave(places, leave))
            await settled()
            crowd = Crowd(group, places)
            await crowd.comes("b1")
            leave[0]()
            assert await gone
            places.give(place)
            await settled()
            assert crowd.served == ["b1"]
            leave[0]()  # told once more

    async def test_when_it_is_his_turn_leaves_it_to_the_next(self, clock: Clock) -> None:
        places = Places(2, always=1, clock=clock)
        place = await placed(places, "a")
        async with asyncio.TaskGroup() as group:
            gone = group.create_task(places.take("b"))
            await settled()
            crowd = Crowd(group, places)
            await crowd.comes("c1")
            places.give(place)  # b's, who does not know it yet
            gone.cancel()
            await settled()
            assert crowd.served == ["c1"]
        assert gone.cancelled()


async def _expecting_to_leave(places: Places, leave: list[Callable[[], None]]) -> bool:
    with suppress(ClientDisconnect):
        await places.take("b", leave.append)
        return False
    return True
