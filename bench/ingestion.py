"""A large text, and many small ones, from their upload to `ready`: chunks a second, whose CPU it
takes, and whose memory.

`python -m bench.ingestion [--quick]` starts an embedded stack and measures this alone. All its
processes are looked at ten times a second; a worker's time counts until its last look.
"""

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil

from bench.alone import measure_alone
from bench.formats import PER_PARAGRAPH, SENTENCE
from tests.harness import Tenant, eventually

MEGABYTES, FEW = 10, 1
SOURCES, FEW_SOURCES = 100, 10
SMALL = 0.02
"""Megabytes of a small text."""
LOOK_SECONDS = 0.1
WAIT_SECONDS = 1200.0


class Watch:
    """What every process below this one has used while it was looked at."""

    def __init__(self) -> None:
        self._root = psutil.Process()
        self._since = time.time()
        self._began: dict[int, float] = {}
        self._used: dict[int, float] = {}
        self._names: dict[int, str] = {}
        self.peaks: dict[str, float] = defaultdict(float)
        """The most memory that one process of a kind held, in MB of RSS."""
        self._ended = threading.Event()

    def look(self) -> None:
        for process in self._root.children(recursive=True):
            try:
                name = self._names.get(process.pid) or kind(process.cmdline())
                times, held = process.cpu_times(), process.memory_info().rss / 1e6
            except psutil.Error:
                continue  # ended meanwhile
            self._names[process.pid] = name
            used = times.user + times.system
            new = process.create_time() > self._since
            self._began.setdefault(process.pid, 0.0 if new else used)
            self._used[process.pid] = used
            self.peaks[name] = max(self.peaks[name], held)

    @contextmanager
    def looking(self) -> Iterator[None]:
        self.look()
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            self.look()

    def cpu(self) -> dict[str, float]:
        """CPU seconds by kind of process."""
        found: dict[str, float] = defaultdict(float)
        for pid, used in self._used.items():
            found[self._names[pid]] += used - self._began[pid]
        return found

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()


def kind(command: list[str]) -> str:
    """Of a process of an embedded installation."""
    line = " ".join(command)
    for part, name in (
        ("multiprocessing.resource_tracker", "other"),
        ("multiprocessing", "worker"),
        ("shared.cli.app run", "services"),
        ("nats-server", "broker"),
        ("postgres", "postgres"),
    ):
        if part in line:
            return name
    return "other"


def text(megabytes: float) -> bytes:
    """Paragraphs of which no two are alike."""
    made, size, n = [], 0, 0
    while size < megabytes * 1024 * 1024 - 2000:
        made.append(SENTENCE.format(n=n) * PER_PARAGRAPH)
        size += len(made[-1]) + 2
        n += 1
    return "\n\n".join(made).encode()


def large_text(tenant: Tenant, megabytes: float) -> dict[str, Any]:
    """One upload, by workers that are up."""
    bot = _warm(tenant)
    body = text(megabytes)

    def ingest() -> int:
        return _ready(tenant.http, _upload(tenant.http, bot, "halls.txt", body))

    return {"MB": megabytes, **_measured(ingest)}


def small_texts(tenant: Tenant, count: int) -> dict[str, Any]:
    """As many uploads, one after the other, which are worked on at the same time."""
    bot = _warm(tenant)
    bodies = [f"Report {n}.\n\n".encode() + text(SMALL) for n in range(count)]

    def ingest() -> int:
        sources = [_upload(tenant.http, bot, f"{n}.txt", body) for n, body in enumerate(bodies)]
        return sum(_ready(tenant.http, source) for source in sources)

    return {"sources": count, **_measured(ingest)}


def _warm(tenant: Tenant) -> str:
    """A bot, and workers that have the models in memory."""
    bot = tenant.bot()
    warm = tenant.source(bot, "Words that bring the models into the workers' memory.")
    tenant.ingest(warm)
    tenant.ready(warm)
    return bot


def _measured(ingest: Callable[[], int]) -> dict[str, Any]:
    """What it takes to ingest; that returns how many chunks came of it."""
    watch = Watch()
    with watch.looking():
        began = time.perf_counter()
        chunks = ingest()
        took = time.perf_counter() - began
    cpu = watch.cpu()
    return {
        "chunks": chunks,
        "seconds": took,
        "chunks per second": chunks / took,
        **{f"CPU ms per chunk, {name}": 1000 * used / chunks for name, used in cpu.items()},
        **{f"peak MB of one, {name}": held for name, held in watch.peaks.items()},
    }


def _upload(http: httpx.Client, bot: str, name: str, body: bytes) -> str:
    answer = http.post(
        "/v1/sources/upload", files={"file": (name, body)}, data={"bot_profile_id": bot}
    )
    answer.raise_for_status()
    return str(answer.json()["id"])


def _ready(http: httpx.Client, source: str) -> int:
    found: int = eventually(lambda: _ended(http, source), seconds=WAIT_SECONDS)
    return found


def _ended(http: httpx.Client, source: str) -> int | None:
    found = http.get(f"/v1/sources/{source}").json()
    if found["status"] == "error":
        raise RuntimeError(found)
    return int(found["chunk_count"]) if found["status"] == "ready" else None


def measure(url: str, *, quick: bool) -> dict[str, Any]:
    """All figures."""
    tenant = Tenant(url, f"bench-{uuid.uuid4().hex[:8]}")
    try:
        return {
            "large text": large_text(tenant, FEW if quick else MEGABYTES),
            "small texts": small_texts(tenant, FEW_SOURCES if quick else SOURCES),
        }
    finally:
        tenant.close()


if __name__ == "__main__":
    measure_alone("bench.ingestion", __doc__, measure)
