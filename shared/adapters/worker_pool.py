"""CPU-heavy work in processes of their own, so that no event loop ever waits for it."""

import asyncio
import ctypes
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from shared.kernel.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

PR_SET_PDEATHSIG = 1
WAITING = 10.0
"""How many times as long a call may take by the clock as by the processor: machines are busy."""
LOOK_SECONDS = 1.0
CRASHES = frozenset(
    {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS}
)
"""Signals that a process brings upon itself; native code aborts when it gets no memory."""


class TookTooLong(Exception):
    """The call did not end in its time and its worker was killed."""


class WorkerDied(Unavailable):
    """The worker of a call died under it."""

    def __init__(self, code: int) -> None:
        super().__init__("a worker process died")
        self.crashed = -code in CRASHES
        """Whether it died of what it did, and not because somebody killed it."""


class WorkerPool:
    """Runs functions in worker processes that are started when needed and ended when idle.

    A worker that dies fails its own call with `WorkerDied`; the next call has a new one. A
    worker outlives neither the pool nor, if that is killed, its parent. `memory_bytes` is what one
    may address at most; beyond it allocating fails.
    """

    def __init__(
        self,
        workers: int,
        *,
        idle_seconds: float,
        memory_bytes: int | None = None,
        waiting: float = WAITING,
    ) -> None:
        self._workers = workers
        self._idle_seconds = idle_seconds
        self._memory_bytes = memory_bytes
        self._waiting = waiting
        self._pool: ProcessPool | None = None
        self._busy = 0
        self._used = 0.0
        self._lock = asyncio.Lock()

    async def run(
        self, function: Callable[P, R], seconds: float, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call `function` in a worker for at most `seconds` of its processor's time.

        How long that takes by the clock depends on what else the machine has to do, and is limited
        only for what waits for ever. Raises what the function raises, `TookTooLong`, or
        `WorkerDied`.
        """
        by_clock = seconds * self._waiting
        async with self._lock:
            if self._pool is None:
                self._pool = await asyncio.to_thread(_begin, self._workers, self._memory_bytes)
            pool = self._pool
            self._busy += 1
        try:
            call = (function, seconds, args, kwargs)
            future = pool.schedule(_within, args=call, timeout=by_clock)
            result: R = await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise TookTooLong(f"took longer than {by_clock:.0f} seconds") from error
        except ProcessExpired as error:
            if error.exitcode == -signal.SIGXCPU:
                raise TookTooLong(f"took longer than {seconds:.0f} seconds") from error
            raise WorkerDied(error.exitcode) from error
        except CancelledError as error:
            raise Unavailable("the worker processes were ended") from error
        finally:
            self._busy -= 1
            self._used = time.monotonic()
        return result

    async def reap(self) -> None:
        """End idle workers, for ever: they hold the models' memory. Run by the service."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with self._lock:
                idle = time.monotonic() - self._used
                if self._pool is not None and not self._busy and idle > self._idle_seconds:
                    pool, self._pool = self._pool, None
                    await asyncio.to_thread(_end, pool)

    async def aclose(self) -> None:
        """End all workers."""
        async with self._lock:
            if self._pool is not None:
                pool, self._pool = self._pool, None
                await asyncio.to_thread(_end, pool)


def _begin(workers: int, memory_bytes: int | None) -> ProcessPool:
    """Not for the event loop, as it starts processes."""
    pool = ProcessPool(
        max_workers=workers,
        initializer=_prepare_worker,
        initargs=(os.getpid(), memory_bytes),
        context=get_context("spawn"),
    )
    pool.schedule(int)  # it is the first call that starts them
    return pool


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]  # pebble has no types
    pool.join()


def _prepare_worker(parent: int, memory_bytes: int | None) -> None:
    """In the worker: leave Ctrl-C to the parent, die with it, and stay within the memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    if memory_bytes is not None and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _within(
    function: Callable[..., R], seconds: float, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> R:
    """In the worker: call `function`, and be ended by the system once that took so many seconds of
    the processor. What calls before this one took does not count.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY:
        until = min(until, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))
    return function(*args, **kwargs)
