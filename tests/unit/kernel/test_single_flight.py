"""What several ask for at the same time is found out once."""

import asyncio

import pytest

from shared.kernel.single_flight import SingleFlight

pytestmark = pytest.mark.asyncio


class Source:
    """Answers when it is told to, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()
        self.fails: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        await self.answer.wait()
        if self.fails is not None:
            raise self.fails
        return number


async def asking(flights: SingleFlight, source: Source, key: str = "it") -> asyncio.Task[int]:
    task = asyncio.ensure_future(flights.do(key, source))
    await asyncio.sleep(0)
    return task


async def test_who_asks_meanwhile_hears_the_same() -> None:
    flights, source = SingleFlight(), Source()
    tasks = [await asking(flights, source) for _ in range(5)]
    source.answer.set()
    assert await asyncio.gather(*tasks) == [1] * 5
    assert source.asked == 1


async def test_who_asks_later_asks_anew() -> None:
    flights, source = SingleFlight(), Source()
    source.answer.set()
    assert [await flights.do("it", source), await flights.do("it", source)] == [1, 2]


async def test_something_else_is_asked_beside_it() -> None:
    flights, source = SingleFlight(), Source()
    tasks = [await asking(flights, source, key) for key in ("one", "other")]
    source.answer.set()
    assert await asyncio.gather(*tasks) == [1, 2]


async def test_a_failure_is_everybodys_and_not_kept() -> None:
    flights, source = SingleFlight(), Source()
    source.fails = ValueError("no")
    tasks = [await asking(flights, source) for _ in range(3)]
    source.answer.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found == [source.fails] * 3
    source.fails = None
    assert await flights.do("it", source) == 2


async def test_if_the_first_one_leaves_another_one_asks() -> None:
    flights, source = SingleFlight(), Source()
    first, *others = [await asking(flights, source) for _ in range(3)]
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    while source.asked < 2:
        await asyncio.sleep(0)
    source.answer.set()
    assert await asyncio.gather(*others) == [2, 2]
    assert source.asked == 2


async def test_who_waits_may_leave_without_the_others() -> None:
    flights, source = SingleFlight(), Source()
    first, second, third = [await asking(flights, source) for _ in range(3)]
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    source.answer.set()
    assert (await first, await third) == (1, 1)
