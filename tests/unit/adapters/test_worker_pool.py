"""Work in processes of its own: whatever happens to a worker, the next call has another one."""

import asyncio
import math
import operator
import os
import signal
import time
from collections.abc import AsyncIterator

import psutil
import pytest

from shared.adapters.worker_pool import TookTooLong, WorkerDied, WorkerPool
from shared.kernel.errors import Unavailable
from tests.eventually import eventually

PATIENCE = 60.0


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    """One for all tests here: a worker takes its time to start."""
    made = WorkerPool(1, idle_seconds=600, waiting=PATIENCE)
    yield made
    await made.aclose()


async def test_functions_run_in_another_process(pool: WorkerPool) -> None:
    assert await pool.run(os.getpid, PATIENCE) != os.getpid()
    assert await pool.run(math.hypot, PATIENCE, 3.0, 4.0) == 5
    assert await pool.run(sorted, PATIENCE, [1, 3, 2], reverse=True) == [3, 2, 1]


async def test_what_a_function_raises_is_raised_here_and_harms_nobody(pool: WorkerPool) -> None:
    before = await pool.run(os.getpid, PATIENCE)
    with pytest.raises(ZeroDivisionError):
        await pool.run(operator.truediv, PATIENCE, 1, 0)
    assert await pool.run(os.getpid, PATIENCE) == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
async def test_a_worker_that_dies_fails_its_own_call_only(
    pool: WorkerPool, how: signal.Signals
) -> None:
    with pytest.raises(Unavailable, match="a worker process died"):
        await pool.run(signal.raise_signal, PATIENCE, how)
    assert await pool.run(operator.add, PATIENCE, 1, 2) == 3


@pytest.mark.parametrize(
    ("how", "crashed"),
    [(signal.SIGABRT, True), (signal.SIGSEGV, True), (signal.SIGKILL, False)],
)
async def test_a_crash_is_told_from_a_kill(
    pool: WorkerPool, how: signal.Signals, crashed: bool
) -> None:
    with pytest.raises(WorkerDied) as died:
        await pool.run(signal.raise_signal, PATIENCE, how)
    assert died.value.crashed == crashed


async def test_a_worker_gets_no_more_memory_than_it_may_address() -> None:
    pool = WorkerPool(1, idle_seconds=600, memory_bytes=600 * 1024 * 1024)
    try:
        with pytest.raises(MemoryError):
            await pool.run(bytes, PATIENCE, 700 * 1024 * 1024)
        assert await pool.run(len, PATIENCE, b"four") == 4
    finally:
        await pool.aclose()


async def test_a_worker_that_computes_for_too_long_is_killed(pool: WorkerPool) -> None:
    with pytest.raises(TookTooLong, match="longer than 1 seconds"):
        await pool.run(operator.pow, 1.0, 7, 10**9)  # hours, in a call that hears no signals
    assert await pool.run(operator.add, PATIENCE, 1, 2) == 3


async def test_what_earlier_calls_computed_does_not_count(pool: WorkerPool) -> None:
    seconds = 1.0
    worker = await pool.run(os.getpid, PATIENCE)
    while await pool.run(_computed, PATIENCE) < 2 * seconds:
        await pool.run(sorted, PATIENCE, range(500_000), key=str)
    assert await pool.run(_computed, seconds) >= 2 * seconds
    assert await pool.run(os.getpid, PATIENCE) == worker


def _computed() -> float:
    """Seconds that this process had the processor."""
    return time.process_time()


async def test_a_worker_that_waits_for_too_long_is_killed(pool: WorkerPool) -> None:
    slow = await pool.run(os.getpid, PATIENCE)
    with pytest.raises(TookTooLong, match="took longer than"):
        await pool.run(signal.pause, 0.01)
    assert await pool.run(os.getpid, PATIENCE) != slow

    async def gone() -> None:
        assert not psutil.pid_exists(slow)

    await eventually(gone)


async def test_a_call_that_is_given_up_does_not_hold_up_the_next(pool: WorkerPool) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await pool.run(signal.pause, 600)
    assert await pool.run(operator.add, PATIENCE, 1, 2) == 3


async def test_idle_workers_are_ended_and_started_again_when_needed() -> None:
    pool = WorkerPool(1, idle_seconds=0.0)
    reaping = asyncio.ensure_future(pool.reap())
    try:
        worker = await pool.run(os.getpid, PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while psutil.pid_exists(worker):
                await asyncio.sleep(0.05)
        assert await pool.run(os.getpid, PATIENCE) != worker
    finally:
        reaping.cancel()
        await pool.aclose()
        await pool.aclose()
