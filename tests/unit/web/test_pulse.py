"""Whether a loop that is held up is seen."""

import asyncio

from shared.web.pulse import Pulse


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def looked(pulse: Pulse, clock: Clock, held_up: float, times: int) -> None:
    for _ in range(times):
        pulse.look()
        clock.now += held_up
        await asyncio.sleep(0)


def races(pulse: Pulse) -> bool:
    return pulse.races


async def test_turns_that_take_long_are_seen_and_so_is_their_end() -> None:
    clock = Clock()
    pulse = Pulse(long=0.004, clock=clock)
    await looked(pulse, clock, 0.001, 50)
    assert not races(pulse)
    await looked(pulse, clock, 0.010, 5)
    assert races(pulse)
    await looked(pulse, clock, 0.001, 20)
    assert not races(pulse)


async def test_one_long_turn_is_not_a_race() -> None:
    clock = Clock()
    pulse = Pulse(long=0.004, clock=clock)
    await looked(pulse, clock, 0.015, 1)
    assert not races(pulse)


async def test_a_look_that_is_under_way_is_enough() -> None:
    clock = Clock()
    pulse = Pulse(long=0.004, clock=clock)
    for _ in range(50):
        pulse.look()
    clock.now += 0.015
    await asyncio.sleep(0)
    assert not races(pulse)
