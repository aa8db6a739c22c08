"""How long a model is waited for, and when it is asked again."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar

from services.chat.ports import ModelFailed, Spent, Text

FIRST_TOKEN_SECONDS = 20.0
IDLE_SECONDS = 15.0
TOTAL_SECONDS = 120.0
ATTEMPTS = 3
RETRY_SECONDS = 0.5
LONGEST_WAIT = 5.0
LONGEST_ANSWER = 500_000
"""Characters; who says more has lost itself, or wants to fill our memory."""

T = TypeVar("T")
Once = Callable[[], AsyncGenerator[Text | Spent, None]]


async def patiently(
    once: Once, retry_seconds: float = RETRY_SECONDS
) -> AsyncGenerator[Text | Spent, None]:
    """What `once` gives, asked again before the first piece only: after it a repeat would say
    things twice.
    """
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            for attempt in range(1, ATTEMPTS + 1):
                started = False
                said = 0
                try:
                    async with aclosing(once()) as pieces:
                        async for piece in pieces:
                            started = True
                            said += len(piece.text) if isinstance(piece, Text) else 0
                            if said > LONGEST_ANSWER:
                                raise endless()
                            yield piece
                except ModelFailed as failure:
                    if started or not failure.retryable or attempt == ATTEMPTS:
                        raise
                    pause = failure.retry_after or retry_seconds * 2 ** (attempt - 1)
                    if pause > LONGEST_WAIT:
                        raise
                    await asyncio.sleep(pause * random.uniform(1, 1.3))  # noqa: S311  jitter
                else:
                    return
    except TimeoutError as error:
        raise timed_out() from error


async def in_time(
    pieces: AsyncIterator[T],
    first_seconds: float = FIRST_TOKEN_SECONDS,
    idle_seconds: float = IDLE_SECONDS,
) -> AsyncGenerator[T, None]:
    """What comes, unless one piece takes too long. Raise `ModelFailed`."""
    wait = first_seconds
    while True:
        try:
            async with asyncio.timeout(wait):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise timed_out() from error
        wait = idle_seconds
        yield piece


def endless() -> ModelFailed:
    return ModelFailed("llm_failed", "The language model's answer does not end.", retryable=False)


def timed_out() -> ModelFailed:
    return ModelFailed(
        "llm_timeout",
        "The language model did not answer in time.",
        retryable=True,
        status=504,
        reached=False,
    )
