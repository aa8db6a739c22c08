"""Waiting for facts inside an event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 120.0
"""What has not come to be by then never will, also on a busy machine."""


async def eventually(look: Callable[[], Awaitable[T]], seconds: float = SECONDS) -> T:
    """Wait for a fact, not for time: until `look` raises no `AssertionError`; else raise it."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await look()
        except AssertionError:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.02)
