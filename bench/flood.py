"""Many requests at a fixed rate, from a process of its own.

Who measures must not be late himself. So a load has its own process and event loop, connections are
kept, an answer is looked at only as far as it must be, and how late requests were sent is told with
what became of them. One load floods, another measures: they share nothing but the machine.
"""

import asyncio
import gc
import itertools
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, Self, cast

import uvloop
from typing_extensions import override

from bench.wire import OK, TURNED_AWAY

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length: "
LAST_CHUNK = b"\r\n0\r\n\r\n"
WAIT_SECONDS = 60.0


@dataclass
class Seen:
    """What became of the requests of one load."""

    took: list[tuple[float, float]] = field(default_factory=list)
    """Of requests that were done: when each was due, and the milliseconds from then."""
    late: list[float] = field(default_factory=list)
    """The milliseconds from when each request was due until it was sent."""
    away: int = 0
    wrong: int = 0

    @property
    def p95(self) -> float:
        return at(sorted(ms for _, ms in self.took), 0.95)

    def shown(self, seconds: float) -> dict[str, float]:
        ordered = sorted(ms for _, ms in self.took)
        return {
            "done per second": len(ordered) / seconds,
            "turned away per second": self.away / seconds,
            "failed": self.wrong,
            "p50 ms of those done": at(ordered, 0.5),
            "p95 ms of those done": at(ordered, 0.95),
            "p95 ms late when sent": at(sorted(self.late), 0.95),
        }


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to send in turn, so many a second."""

    host: str
    port: int
    requests: Sequence[bytes]
    rate: float
    seconds: float


class Loads:
    """Processes that send loads at the same time."""

    def __init__(self, at_once: int) -> None:
        fresh = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(at_once, mp_context=fresh)
        self._at_once = at_once

    def __enter__(self) -> Self:
        for started in [self._pool.submit(time.sleep, 0.2) for _ in range(self._at_once)]:
            started.result()
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown()

    def capacity(self, load: Load, at_once: int) -> float:
        """What is done a second for so many clients that wait for each answer, at any rate."""
        return self._pool.submit(capacity, load, at_once).result()

    def run(self, *loads: Load) -> list[Seen]:
        """What became of each, when all are over."""
        return [sent.result() for sent in [self._pool.submit(send, load) for load in loads]]


def send(load: Load) -> Seen:
    """In this process, which does nothing else meanwhile."""
    gc.freeze()
    return uvloop.run(Sender(load).run())


def capacity(load: Load, at_once: int) -> float:
    """In this process."""
    return uvloop.run(Sender(load).in_turn(at_once))


class Sender:
    """One load, and what becomes of it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._seen = Seen()
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self._began = time.perf_counter()
        self._answers = asyncio.Event()

    async def run(self) -> Seen:
        """Each request when it is due."""
        requests = itertools.cycle(self._load.requests)
        for n in range(int(self._load.rate * self._load.seconds)):
            due = self._began + n / self._load.rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            await self._ask(next(requests), due)
        await self._end()
        return self._seen

    async def in_turn(self, at_once: int) -> float:
        """How much is done a second, with so many at a time."""
        requests = itertools.cycle(self._load.requests)
        until = self._began + self._load.seconds
        while (now := time.perf_counter()) < until:
            if len(self._busy) < at_once:
                await self._ask(next(requests), now)
            else:
                self._answers.clear()
                await self._answers.wait()
        done = len(self._seen.took)
        await self._end()
        return done / self._load.seconds

    async def _ask(self, request: bytes, due: float) -> None:
        while self._free and self._free[-1].closed:
            self._free.pop()
        if self._free:
            connection = self._free.pop()
        else:
            connection = Connection(self._answered)
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: connection, self._load.host, self._load.port)
        self._busy.add(connection)
        connection.ask(request, due)
        self._seen.late.append((time.perf_counter() - due) * 1000)

    def _answered(self, connection: "Connection", status: int, *, may_return: bool) -> None:
        self._busy.discard(connection)
        self._answers.set()
        if status in OK:
            now = time.perf_counter()
            due = connection.due
            self._seen.took.append((due - self._began, (now - due) * 1000))
        elif status in TURNED_AWAY and may_return:
            self._seen.away += 1
        else:
            self._seen.wrong += 1
        if not connection.closed:
            self._free.append(connection)

    async def _end(self) -> None:
        """Wait for what is not answered yet, though not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                while self._busy:
                    self._answers.clear()
                    await self._answers.wait()
        self._seen.wrong += len(self._busy)
        for connection in (*self._busy, *self._free):
            connection.close()


class Answered(Protocol):
    def __call__(self, connection: "Connection", status: int, *, may_return: bool) -> None:
        """Status 0 if the connection broke instead."""


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._received = b""
        self._asking = False
        self.due = 0.0
        self.closed = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, due: float) -> None:
        self.due, self._received, self._asking = due, b"", True
        self._transport.write(request)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(HEAD_END)
        if end < 0 or not self._asking:
            return
        head = self._received[: end + 2].lower()
        if LENGTH in head:
            size = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
            whole = len(self._received) >= end + len(HEAD_END) + size
        else:
            whole = self._received.endswith(LAST_CHUNK)
        if whole:
            self._asking = False
            self.closed = b"\r\nconnection: close" in head
            self._answered(self, int(head[9:12]), may_return=b"\r\nretry-after: " in head)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._asking:
            self._asking = False
            self._answered(self, 0, may_return=False)

    def close(self) -> None:
        self._transport.close()


def at(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of all lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
