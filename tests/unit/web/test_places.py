"""Places that are shared fairly, by a clock that the test sets."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from shared.web.places import BRIEF, LONGEST, PATIENCE, Places


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def settled() -> None:
    """Whoever can go on has done so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def queued(
    group: asyncio.TaskGroup, take: Callable[[], Coroutine[Any, Any, bool]]
) -> asyncio.Task[bool]:
    task = group.create_task(take())
    await settled()
    assert not task.done()
    return task


class TestTakingAPlace:
    async def test_gives_each_its_own_until_all_are_taken(self, clock: Clock) -> None:
        shared = Places(2, clock=clock)
        assert await shared.take("a")
        assert await shared.take("b")
        async with asyncio.TaskGroup() as group:
            waiting = await queued(group, lambda: shared.take("c"))
            shared.give("a")
            assert await waiting

    async def test_leaves_half_of_the_places_to_the_other_owners(self, clock: Clock) -> None:
        shared = Places(4, clock=clock)
        assert await shared.take("greedy")
        assert await shared.take("greedy")
        async with asyncio.TaskGroup() as group:
            third = await queued(group, lambda: shared.take("greedy"))
            assert await shared.take("modest")
            assert not third.done()
            shared.give("greedy")
            assert await third

    async def test_serves_owners_in_turn_and_each_in_its_order(self, clock: Clock) -> None:
        shared = Places(2, clock=clock)
        assert await shared.take("x")
        assert await shared.take("y")
        served: list[str] = []

        async def take(owner: str, name: str) -> bool:
            taken = await shared.take(owner)
            served.append(name)
            return taken

        async with asyncio.TaskGroup() as group:
            for owner, name in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1")):
                await queued(group, partial(take, owner, name))
            shared.give("x")
            for owner in ("a", "b", "c", "a"):
                await settled()
                shared.give(owner)
        assert served == ["a1", "b1", "c1", "a2", "a3"]

    async def test_hands_a_place_on_that_its_taker_was_too_late_for(self, clock: Clock) -> None:
        shared = Places(1, brief=0, clock=clock)
        assert await shared.take("a")
        async with asyncio.TaskGroup() as group:
            gone = await queued(group, lambda: shared.take("b"))
            waiting = await queued(group, lambda: shared.take("c"))
            shared.give("a")  # b's, which does not know it yet
            gone.cancel()
            assert await waiting
        assert gone.cancelled()

    async def test_forgets_who_went_away_while_waiting(self, clock: Clock) -> None:
        shared = Places(1, brief=0, clock=clock)
        assert await shared.take("a")
        async with asyncio.TaskGroup() as group:
            gone = await queued(group, lambda: shared.take("a"))
            gone.cancel()
            await settled()
            shared.give("a")
            assert await shared.take("b")


class TestWaiting:
    async def test_is_for_bursts_and_short_while_too_much_comes(self, clock: Clock) -> None:
        shared = Places(1, brief=0, clock=clock)
        assert await shared.take("a")
        async with asyncio.TaskGroup() as group:
            first = await queued(group, lambda: shared.take("b"))
            clock.now = PATIENCE + 1
            assert not await shared.take("b")
            shared.give("a")
            assert await first
            second = await queued(group, lambda: shared.take("b"))  # nobody waited in between
            shared.give("b")
            assert await second

    async def test_of_one_owner_makes_no_other_impatient(self, clock: Clock) -> None:
        shared = Places(1, brief=0, clock=clock)
        assert await shared.take("a")
        async with asyncio.TaskGroup() as group:
            await queued(group, lambda: shared.take("b"))
            clock.now = PATIENCE + 1
            other = await queued(group, lambda: shared.take("c"))
            shared.give("a")
            shared.give("b")
            assert await other

    async def test_ends_for_whoever_would_stand_too_far_behind(self, clock: Clock) -> None:
        shared = Places(1, brief=0, clock=clock)
        assert await shared.take("a")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(shared.take("b")) for _ in range(LONGEST)]
            await settled()
            assert not await shared.take("b")
            for task in tasks:
                task.cancel()

    def test_is_longer_in_a_burst(self) -> None:
        assert BRIEF < PATIENCE
