"""Sends requests and tells how long each took."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

Send = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds."""

    p50: float
    p99: float
    count: int
    per_second: float


async def sequential(send: Send, count: int) -> Latency:
    """One after the other: the time a single client sees."""
    began = time.perf_counter()
    took = [await _timed(send, time.perf_counter()) for _ in range(count)]
    return _latency(took, time.perf_counter() - began)


async def open_loop(send: Send, rate: float, seconds: float) -> Latency:
    """At a fixed rate whatever comes back: waiting counts from when a request was due."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        running = []
        for n in range(int(rate * seconds)):
            due = began + n / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            running.append(tasks.create_task(_timed(send, due)))
    return _latency([task.result() for task in running], time.perf_counter() - began)


async def many(send: Send, count: int, at_once: int) -> float:
    """`count` requests, `at_once` at a time; returns requests a second."""
    left = iter(range(count))

    async def client() -> None:
        for _ in left:
            await send()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(client())
    return count / (time.perf_counter() - began)


async def _timed(send: Send, began: float) -> float:
    await send()
    return (time.perf_counter() - began) * 1000


def _latency(took: Sequence[float], seconds: float) -> Latency:
    ordered = sorted(took)
    return Latency(
        p50=ordered[len(ordered) // 2],
        p99=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        count=len(ordered),
        per_second=len(ordered) / seconds,
    )
