"""CPU-heavy work in processes of their own, so that no event loop ever waits for it."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from shared.kernel.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 1.0


class TookTooLong(Exception):
    """The call did not end in its time and its worker was killed."""


class WorkerPool:
    """Runs functions in worker processes that are started when needed and ended when idle.

    A worker that dies fails its own call with `Unavailable`; the next call has a new one. A
    worker outlives neither the pool nor, if that is killed, its parent.
    """

    def __init__(self, workers: int, *, idle_seconds: float) -> None:
        self._workers = workers
        self._idle_seconds = idle_seconds
        self._pool: ProcessPool | None = None
        self._busy = 0
        self._used = 0.0
        self._lock = asyncio.Lock()

    async def run(
        self, function: Callable[P, R], seconds: float, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call `function` in a worker for at most `seconds`.

        Raises what the function raises, `TookTooLong`, or `Unavailable` if its worker died.
        """
        async with self._lock:
            if self._pool is None:
                self._pool = await asyncio.to_thread(_begin, self._workers)
            pool = self._pool
            self._busy += 1
        try:
            future = pool.schedule(function, args=args, kwargs=kwargs, timeout=seconds)
            result: R = await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise TookTooLong(f"took longer than {seconds:.0f} seconds") from error
        except (ProcessExpired, CancelledError) as error:
            raise Unavailable("a worker process died") from error
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


def _begin(workers: int) -> ProcessPool:
    """Not for the event loop, as it starts processes."""
    pool = ProcessPool(
        max_workers=workers,
        initializer=_prepare_worker,
        initargs=(os.getpid(),),
        context=get_context("spawn"),
    )
    pool.schedule(int)  # it is the first call that starts them
    return pool


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]  # pebble has no types
    pool.join()


def _prepare_worker(parent: int) -> None:
    """In the worker: leave Ctrl-C to the parent, and die with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
