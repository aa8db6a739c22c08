"""Work that locks tables is done once for all who wait for it."""

import asyncio

import pytest

from shared.kernel.errors import Unavailable
from shared.runtime.erasing import Together


class Work:
    """Goes on when it is let."""

    def __init__(self) -> None:
        self.runs = 0
        self.fails = False
        self.gate = asyncio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        await self.gate.wait()
        if self.fails:
            raise Unavailable("not now")


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_is_done_once_for_those_who_come_while_it_is_done() -> None:
    work = Work()
    together = Together(work)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(together())
        await settled()
        late = [tasks.create_task(together()) for _ in range(50)]
        await settled()
        assert work.runs == 1
        assert not any(one.done() for one in (first, *late))
        work.gate.set()
    assert work.runs == 2, "what came meanwhile needs a run that began after it came"


async def test_is_done_for_everybody_who_comes_alone() -> None:
    work = Work()
    work.gate.set()
    together = Together(work)
    for _ in range(3):
        await together()
    assert work.runs == 3


async def test_that_fails_is_done_again_by_the_next() -> None:
    work = Work()
    work.gate.set()
    together = Together(work)
    work.fails = True
    waiting = [asyncio.ensure_future(together()) for _ in range(3)]
    await asyncio.wait(waiting)
    assert [isinstance(one.exception(), Unavailable) for one in waiting] == [True] * 3
    assert work.runs == 3
    work.fails = False
    await together()
    work.fails = True
    with pytest.raises(Unavailable):
        await together()
