"""One holder per key, in the order of arrival, and nothing kept of keys nobody holds."""

import asyncio

import pytest

from shared.runtime.consumer import Turnstile


async def test_one_at_a_time_in_the_order_of_arrival() -> None:
    turnstile = Turnstile()
    inside: list[int] = []
    order: list[int] = []

    async def visit(n: int) -> None:
        async with turnstile.hold("k"):
            inside.append(n)
            assert len(inside) == 1
            await asyncio.sleep(0)
            order.append(n)
            inside.remove(n)

    async with asyncio.TaskGroup() as tasks:
        for n in range(20):
            tasks.create_task(visit(n))
    assert order == list(range(20))
    assert turnstile._waiting == {}


async def test_other_keys_do_not_wait() -> None:
    turnstile = Turnstile()
    async with turnstile.hold("a"), asyncio.timeout(120), turnstile.hold("b"):
        assert set(turnstile._waiting) == {"a", "b"}


async def test_who_fails_or_gives_up_lets_the_next_in() -> None:
    turnstile = Turnstile()
    with pytest.raises(RuntimeError):
        async with turnstile.hold("k"):
            raise RuntimeError
    async with turnstile.hold("k"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), turnstile.hold("k"):
                pass
    async with asyncio.timeout(120), turnstile.hold("k"):
        pass
    assert turnstile._waiting == {}
