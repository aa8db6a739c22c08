"""Ten thousand open streams: what each takes of the server's memory, and whether any is dropped.

First so many clients follow the events of a tenant, and hear of one that happens when all are
there. Then clients follow answers that are being given, two hundred each, and hear them to their
end. The answers come from a scripted model, slowly until all follow, then at once; they cannot be
held for longer than a minute or so, which bounds how many fit on a slow machine. Clients and server
are processes of one machine, so every stream holds an open file in both; where less than enough is
allowed, fewer streams are held, and the figures say so. `python -m bench.streams [--quick]` starts
an embedded stack and measures this alone.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from bench.first_token import TEXT, asked
from tests.e2e.paced_model import PacedModel, paced_model
from tests.harness import Tenant

STREAMS, FEW = 10_000, 40
EACH = 200
"""Streams that follow the same answer; chat gives sixty-four at a time."""
SPARE = 1_000
"""Files that a process holds open for other things, at most."""
OPENING = 64
"""Connections that are being opened at a time."""
WORDS = 12
"""Of an answer; the model keeps each of the last back for up to ten seconds while it is held."""
SETTLE_SECONDS = 3.0
HOLD_SECONDS = 20.0
WAIT_SECONDS = 1200.0


@dataclass
class Stream:
    """One client: no more than it must, as its memory is on the same machine."""

    first_ms: float = 0.0
    ended: bool = False
    """It heard what it waited for."""
    away: int = 0
    """How often it was told to come back, when it wanted to begin."""
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(
        self, url: str, path: str, token: str, last: bytes, gate: asyncio.Semaphore
    ) -> None:
        """From the first byte to the event `last`, or the end, whichever comes."""
        parts = urlsplit(url)
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
        )
        began = time.perf_counter()
        writer: asyncio.StreamWriter | None = None
        try:
            async with gate:
                while True:
                    reader, writer = await asyncio.open_connection(
                        parts.hostname, parts.port, limit=2**14
                    )
                    writer.write(request.encode())
                    status = await reader.readline()
                    if b" 503 " not in status:
                        break
                    self.away += 1
                    writer.close()
                    await asyncio.sleep(1)
                seen = await reader.readuntil(b"event: ")
            self.first_ms = (time.perf_counter() - began) * 1000
            self.opened.set()
            while piece := await reader.read(4096):
                seen = seen[-64:] + piece
                if last in seen:
                    self.ended = True
                    return
        except (OSError, EOFError):
            return
        finally:
            self.opened.set()
            if writer is not None:
                writer.close()


def allowed(wanted: int) -> int:
    """Streams that fit into the open files which a process may have, here and in the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted + SPARE
    if hard == resource.RLIM_INFINITY or hard >= enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, hard - SPARE)


@asynccontextmanager
async def answers(tenant: Tenant, bot: str, count: int) -> AsyncIterator[list[str]]:
    """So many answers that have begun and go on; the ids of their turns."""
    headers = {"Authorization": f"Bearer {tenant.token}"}
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(headers=headers, timeout=600, limits=limits) as http:
        turns: list[asyncio.Future[str]] = []

        async def ask(n: int, turn: asyncio.Future[str]) -> None:
            body = {
                "bot_profile_id": bot,
                "message": f"When was the harbour of Corran closed, {n}?",
                "stream": True,
            }
            async with http.stream("POST", f"{tenant.url}/v1/chat", json=body) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    if line.startswith("data: ") and not turn.done():
                        turn.set_result(str(json.loads(line[6:])["turn_id"]))

        async with asyncio.TaskGroup() as tasks:
            for n in range(count):
                turns.append(asyncio.get_running_loop().create_future())
                tasks.create_task(ask(n, turns[-1]))
            yield [await turn for turn in turns]


async def all_open(
    tenant: Tenant,
    pid: int,
    paths: Sequence[str],
    last: bytes,
    let_end: Callable[[], object],
) -> dict[str, Any]:
    """Open one stream for each path, see what they take, let them end, and count who heard it."""
    count = len(paths)
    server = psutil.Process(pid)
    gate = asyncio.Semaphore(OPENING)
    streams = [Stream() for _ in paths]
    before, began = server.memory_info().rss, time.perf_counter()
    at_first = server.cpu_times()
    async with asyncio.timeout(WAIT_SECONDS), asyncio.TaskGroup() as tasks:
        for stream, path in zip(streams, paths, strict=True):
            tasks.create_task(stream.follow(tenant.url, path, tenant.token, last, gate))
        for stream in streams:
            await stream.opened.wait()
        opening = time.perf_counter() - began
        cpu = server.cpu_times()
        await asyncio.sleep(HOLD_SECONDS)
        used = server.cpu_times()
        taken = server.memory_info().rss - before
        open_now = sum(stream.first_ms > 0 and not stream.ended for stream in streams)
        began = time.perf_counter()
        await asyncio.to_thread(let_end)
    firsts = sorted(stream.first_ms for stream in streams)
    return {
        "streams": count,
        "open at the same time": open_now,
        "dropped": sum(not stream.ended for stream in streams),
        "told to come back before they began": sum(stream.away for stream in streams),
        "kB each": taken / count / 1000,
        "seconds to open all": opening,
        "CPU ms of the server to open one": 1000 * (_cpu(cpu) - _cpu(at_first)) / count,
        "first byte p50 ms": firsts[len(firsts) // 2],
        "first byte p99 ms": firsts[int(len(firsts) * 0.99)],
        "CPU of the server while all are held, of one core": (
            (_cpu(used) - _cpu(cpu)) / HOLD_SECONDS
        ),
        "CPU ms of the server to end one": 1000 * (_cpu(server.cpu_times()) - _cpu(used)) / count,
        "seconds until all have heard the end": time.perf_counter() - began,
    }


def _cpu(times: Any) -> float:
    return float(times.user + times.system)


async def feeds(tenant: Tenant, bot: str, pid: int, count: int) -> dict[str, Any]:
    """Streams of a tenant's events."""

    def let_end() -> None:
        body = {"bot_profile_id": bot, "name": "One", "source_type": "text", "content": TEXT}
        tenant.http.post("/v1/sources", json=body).raise_for_status()  # 202 will do: it is stored

    paths = ["/v1/events?type=source.created"] * count
    return await all_open(tenant, pid, paths, b"event: source.created", let_end)


async def held(tenant: Tenant, bot: str, model: PacedModel, pid: int, count: int) -> dict[str, Any]:
    """Streams of answers."""

    def let_end() -> None:
        model.held = False

    model.held = True
    async with answers(tenant, bot, max(1, count // EACH)) as turns:
        await asyncio.sleep(SETTLE_SECONDS)
        paths = [f"/v1/chat/turns/{turns[n % len(turns)]}/stream" for n in range(count)]
        return await all_open(tenant, pid, paths, b"event: done", let_end)


def measure(
    folder: Path, *, quick: bool, wanted: int | None = None, most_answers: int | None = None
) -> dict[str, Any]:
    """On an installation of its own, with a model of its own."""
    wanted = wanted or (FEW if quick else STREAMS)
    count = allowed(wanted)
    with (
        paced_model(words=WORDS, seconds=0) as model,
        asked(folder, model) as (running, tenant, bot),
    ):
        pid = running.pids()["services"]
        found = {"events": asyncio.run(feeds(tenant, bot, pid, count))}
        answers_held = min(count, most_answers or count)
        found["answers"] = asyncio.run(held(tenant, bot, model, pid, answers_held))
    if count < wanted:
        found["fewer than wanted, as a process may open so many files only"] = {
            "files": count + SPARE
        }
    return found


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.streams", description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--streams", type=int, help="how many, if not ten thousand")
    options.add_argument("--answers", type=int, help="how many of answers, if not as many")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        Path(folder).chmod(0o711)  # Postgres has a user of its own where we are root
        found = measure(
            Path(folder) / "data",
            quick=given.quick,
            wanted=given.streams,
            most_answers=given.answers,
        )
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
