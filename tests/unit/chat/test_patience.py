"""How long a model is waited for, and when it is asked again."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from services.chat.adapters.patience import ATTEMPTS, in_time, patiently
from services.chat.ports import ModelFailed, Spent, Text

SPENT = Spent("m", 1, 1)


def failing(*, retryable: bool = True, retry_after: float | None = None) -> ModelFailed:
    return ModelFailed("llm_failed", "No.", retryable=retryable, retry_after=retry_after)


class Attempts:
    """Does, attempt by attempt, what it is told to; an exception among the pieces is raised."""

    def __init__(self, *attempts: list[Text | Spent | ModelFailed]) -> None:
        self._attempts = attempts
        self.made = 0

    async def __call__(self) -> AsyncGenerator[Text | Spent, None]:
        self.made += 1
        for piece in self._attempts[min(self.made, len(self._attempts)) - 1]:
            if isinstance(piece, ModelFailed):
                raise piece
            yield piece


async def heard(attempts: Attempts) -> list[Text | Spent]:
    return [piece async for piece in patiently(attempts, retry_seconds=0.001)]


async def test_a_failure_before_the_first_piece_is_tried_again() -> None:
    attempts = Attempts([failing()], [failing()], [Text("a"), SPENT])
    assert await heard(attempts) == [Text("a"), SPENT]
    assert attempts.made == ATTEMPTS


@pytest.mark.parametrize(
    ("attempt", "made"),
    [
        ([failing()], ATTEMPTS),
        ([failing(retryable=False)], 1),
        ([failing(retry_after=3600)], 1),
        ([Text("a"), failing()], 1),
    ],
)
async def test_a_failure_that_cannot_be_helped_is_told(
    attempt: list[Text | Spent | ModelFailed], made: int
) -> None:
    attempts = Attempts(attempt)
    with pytest.raises(ModelFailed):
        await heard(attempts)
    assert attempts.made == made


async def test_a_piece_that_takes_too_long_is_a_timeout() -> None:
    async def stuck(before: int) -> AsyncGenerator[int, None]:
        for n in range(before):
            yield n
        await asyncio.Event().wait()

    for before in (0, 2):
        pieces = in_time(stuck(before), first_seconds=0.2, idle_seconds=0.2)
        told = [await anext(pieces) for _ in range(before)]
        with pytest.raises(ModelFailed) as failed:
            await anext(pieces)
        assert (failed.value.code, failed.value.status) == ("llm_timeout", 504)
        assert told == list(range(before))


async def test_pieces_that_come_in_time_pass() -> None:
    async def quick() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    assert [piece async for piece in in_time(quick())] == [1, 2]
