"""What nobody waits for gives way, and not for ever."""

import asyncio
from contextlib import suppress

from shared.kernel.precedence import Precedence

LONG = 60.0


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_nobody_gives_way_to_nothing() -> None:
    await Precedence().give_way(LONG)


async def test_work_goes_on_once_nothing_is_waited_for_any_more() -> None:
    precedence = Precedence()
    one, two = precedence.first(), precedence.first()
    one.__enter__()
    two.__enter__()
    gives_way = asyncio.ensure_future(precedence.give_way(LONG))
    await settle()
    one.__exit__(None, None, None)
    await settle()
    assert not gives_way.done()
    two.__exit__(None, None, None)
    await gives_way


async def test_work_goes_on_after_a_moment_though_more_is_waited_for() -> None:
    precedence = Precedence()
    with precedence.first():
        await precedence.give_way(0.001)


async def test_what_failed_is_not_waited_for() -> None:
    precedence = Precedence()
    with suppress(ZeroDivisionError), precedence.first():
        _ = 1 // 0
    await precedence.give_way(LONG)
