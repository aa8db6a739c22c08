"""Many requests at random times, so many a second on average, from a process of its own.

Who measures must not be late himself, and must leave the machine to what is measured. So a load
has its own process, which does nothing else and is as cheap as a client can be: sockets without an
event loop, requests made once, and answers that are looked at only as far as they must be. Its
connections are there before it begins, as those of a client's or a proxy's pool are; each carries
one request at a time, and what finds none free goes out later. Latency counts from when a request
was due. How late requests went out is told, and what part of a core their sending took.

Independent clients come at random times. At regular ones two loads may miss or meet each other all
the time, by nothing but where they began.
"""

import gc
import itertools
import multiprocessing
import random
import select
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Self

from bench.wire import OK, TURNED_AWAY

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length: "
LAST_CHUNK = b"\r\n0\r\n\r\n"
WAIT_SECONDS = 60.0
MOST = 1_000
"""Connections of one load: more than a server lets wait of one tenant."""
AT_A_GO = 64
"""So many are sent at most before answers are looked for."""
SOON_SECONDS = 0.5
"""From the order to begin until all loads do: they open their connections meanwhile."""
PIECE = 65536
BROKE = 0
"""The status of what came to no answer."""


@dataclass
class Seen:
    """What became of the requests of one load."""

    took: list[tuple[float, float]] = field(default_factory=list)
    """Of requests that were done: when each was due, and the milliseconds from then."""
    late: list[float] = field(default_factory=list)
    """The milliseconds from when each request was due until it was sent."""
    away: list[float] = field(default_factory=list)
    """When each was due that was told to come back."""
    wrong: int = 0
    cpu_seconds: float = 0.0
    """What it took to send, and to look at the answers."""

    @property
    def p95(self) -> float:
        return at(sorted(ms for _, ms in self.took), 0.95)

    def within(self, seconds: float) -> int:
        """How many were done before so much time was over."""
        return sum(due + ms / 1000 <= seconds for due, ms in self.took)

    def since(self, seconds: float) -> "Seen":
        """What became of those that were due from then on."""
        return replace(
            self,
            took=[(due - seconds, ms) for due, ms in self.took if due >= seconds],
            away=[due - seconds for due in self.away if due >= seconds],
        )

    def shown(self, seconds: float) -> dict[str, float]:
        ordered = sorted(ms for _, ms in self.took)
        return {
            "done per second": len(ordered) / seconds,
            "turned away per second": len(self.away) / seconds,
            "failed": self.wrong,
            "p50 ms of those done": at(ordered, 0.5),
            "p95 ms of those done": at(ordered, 0.95),
            "p95 ms late when sent": at(sorted(self.late), 0.95),
            "of a core, to send them": self.cpu_seconds / seconds,
        }


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to send in turn, so many a second."""

    host: str
    port: int
    requests: Sequence[bytes]
    rate: float
    seconds: float
    after: float = 0.0
    """Seconds from when all loads begin until this one does."""
    connections: int = MOST
    seed: int = 1
    """Of the times at which they are due."""

    def due(self) -> Iterator[float]:
        """Seconds from its beginning."""
        chance = random.Random(self.seed)  # noqa: S311  nobody gains by guessing it
        at = chance.expovariate(self.rate)
        while at < self.seconds:
            yield at
            at += chance.expovariate(self.rate)


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

    def capacity(self, load: Load) -> float:
        """What is done a second if all of its connections always wait for an answer."""
        return self._pool.submit(capacity, load).result()

    def run(self, *loads: Load) -> list[Seen]:
        """What became of each, when all are over."""
        begin = time.perf_counter() + SOON_SECONDS
        return [sent.result() for sent in [self._pool.submit(send, load, begin) for load in loads]]


def send(load: Load, begin: float) -> Seen:
    """In this process, which does nothing else meanwhile. `begin` is by `time.perf_counter`, which
    all processes of a machine share.
    """
    gc.freeze()
    return Sender(load).run(begin + load.after)


def capacity(load: Load) -> float:
    """In this process."""
    gc.freeze()
    return Sender(load).in_turn()


class Connection:
    """One request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), WAIT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._received = b""
        self.number = self._socket.fileno()
        self.due: float | None = None
        """Of the request that has no answer."""
        self.closed = False

    def ask(self, request: bytes, due: float) -> None:
        self.due, self._received = due, b""
        self._socket.send(request)

    def look(self) -> tuple[int, bool] | None:
        """The status of the answer if it is there as a whole, and whether it tells when to come
        again. `BROKE` if the connection is gone.
        """
        try:
            piece = self._socket.recv(PIECE)
        except OSError:
            piece = b""
        if not piece:
            self.closed = True
            return BROKE, False
        received = self._received = self._received + piece
        end = received.find(HEAD_END)
        if end < 0:
            return None
        head = received[: end + 2].lower()
        if LENGTH in head:
            size = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
            whole = len(received) >= end + len(HEAD_END) + size
        else:
            whole = received.endswith(LAST_CHUNK)
        if not whole:
            return None
        self.closed = b"\r\nconnection: close" in head
        return int(head[9:12]), b"\r\nretry-after: " in head

    def close(self) -> None:
        self._socket.close()


class Sender:
    """One load, and what becomes of it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._seen = Seen()
        self._requests = itertools.cycle(load.requests)
        self._poll = select.epoll()
        self._all: dict[int, Connection] = {}
        self._free: list[Connection] = []
        self._began = 0.0
        for _ in range(load.connections):
            self._open()

    @property
    def _busy(self) -> int:
        return len(self._all) - len(self._free)

    def run(self, begin: float) -> Seen:
        """Each request when it is due, from `begin` on."""
        self._began = begin
        cpu = time.process_time()
        in_a_row = 0
        for due in self._load.due():
            wait = begin + due - time.perf_counter()
            while wait > 0 or not self._free or in_a_row == AT_A_GO:
                self._look(max(0.0, wait) if self._free else WAIT_SECONDS)
                in_a_row = 0
                wait = begin + due - time.perf_counter()
            self._ask(begin + due)
            in_a_row += 1
        self._end()
        self._seen.cpu_seconds = time.process_time() - cpu
        return self._seen

    def in_turn(self) -> float:
        """How much is done a second, with a request on each connection at any time."""
        self._began = time.perf_counter()
        until = self._began + self._load.seconds
        while (now := time.perf_counter()) < until:
            while self._free:
                self._ask(now)
            self._look(until - now)
        done = len(self._seen.took)
        self._end()
        return done / self._load.seconds

    def _open(self) -> None:
        connection = Connection(self._load.host, self._load.port)
        self._all[connection.number] = connection
        self._poll.register(connection.number, select.EPOLLIN)
        self._free.append(connection)

    def _ask(self, due: float) -> None:
        """On the connection that was used last, so that only as many are used as it takes."""
        self._free.pop().ask(next(self._requests), due)
        self._seen.late.append((time.perf_counter() - due) * 1000)

    def _look(self, seconds: float) -> None:
        """Take the answers that are there, or that come within some seconds."""
        if seconds > 0:
            # An epoll waits for whole milliseconds, which is longer than most requests take.
            select.select((self._poll,), (), (), seconds)
        for number, _ in self._poll.poll(0):
            connection = self._all[number]
            told = connection.look()
            if told is None:
                continue
            due, connection.due = connection.due, None
            if due is not None:
                self._count(due, *told)
            if connection.closed:
                self._replace(connection, was_free=due is None)
            else:
                self._free.append(connection)

    def _replace(self, connection: Connection, *, was_free: bool) -> None:
        if was_free:
            self._free.remove(connection)
        self._poll.unregister(connection.number)
        del self._all[connection.number]
        connection.close()
        self._open()

    def _count(self, due: float, status: int, may_return: bool) -> None:
        if status in OK:
            self._seen.took.append((due - self._began, (time.perf_counter() - due) * 1000))
        elif status in TURNED_AWAY and may_return:
            self._seen.away.append(due - self._began)
        else:
            self._seen.wrong += 1

    def _end(self) -> None:
        """Wait for what is not answered yet, though not for ever."""
        until = time.perf_counter() + WAIT_SECONDS
        while self._busy and (left := until - time.perf_counter()) > 0:
            self._look(left)
        self._seen.wrong += self._busy
        for connection in self._all.values():
            connection.close()
        self._poll.close()


def at(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of all lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
