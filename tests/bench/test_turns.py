"""The bench of turns counts those that end in time."""

import asyncio

from bench.turns import per_second


async def test_turns_are_counted_that_end_in_time() -> None:
    under_way, most = 0, 0

    async def turn() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1

    assert await per_second(turn, at_once=3, seconds=0.05) > 0
    assert (under_way, most) == (0, 3)

    async def endless() -> None:
        await asyncio.sleep(0.1)

    assert await per_second(endless, at_once=2, seconds=0.05) == 0
