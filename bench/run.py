"""`make bench`: starts the embedded stack on an empty folder, measures, writes the figures.

Nothing is compared with a limit here: the machine decides. Options: `--quick` for a run that only
shows that everything works, `--out <folder>` for another place than `docs`.
"""

import argparse
import asyncio
import json
import re
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from bench import (
    feed,
    first_token,
    floor,
    formats,
    hot_paths,
    ingestion,
    machine,
    overload,
    rebuilding,
    report,
    retrieval_speed,
    statistics,
    streams,
    webhooks,
)
from bench.load import Latency, many, open_loop, sequential
from tests.harness import Installation, Tenant, eventually

ROOT = Path(__file__).parents[1]
PREFIX = "minirag-bench-"
SETTLE_SECONDS = 40.0
PARAGRAPH = "The valve in hall {n} is closed by hand before the pump is serviced, every {n} days. "
READ_MODELS = ("identity", "sources", "bots", "chats", "index")


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the run takes."""

    requests: int
    rate: float
    """Reads a second in the open loop."""
    write_rate: float
    """Writes a second, each of which waits for the disk: below what it can do, or they pile up."""
    seconds: float
    preload: int
    paragraphs: int
    documents: int
    """Of each format."""
    rounds: int
    """Of chats that wait for their first token."""
    chunks: Sequence[int]
    """Sizes of the index that is asked for passages."""
    questions: int
    quick: bool
    """For measurements that know two sizes of their own."""


FULL = Effort(
    requests=300,
    rate=40,
    write_rate=8,
    seconds=6,
    preload=1000,
    paragraphs=1500,
    documents=40,
    rounds=first_token.ROUNDS,
    chunks=retrieval_speed.SIZES,
    questions=retrieval_speed.QUESTIONS,
    quick=False,
)
QUICK = Effort(
    requests=20,
    rate=10,
    write_rate=4,
    seconds=2,
    preload=40,
    paragraphs=60,
    documents=2,
    rounds=1,
    chunks=retrieval_speed.FEW,
    questions=20,
    quick=True,
)


class Bench:
    """One run over one installation."""

    def __init__(self, running: Installation, effort: Effort) -> None:
        self._running = running
        self._effort = effort
        self._tenant = Tenant(running.url, f"bench-{uuid.uuid4().hex[:8]}")
        self._bot = self._tenant.bot()

    async def http(self) -> dict[str, Any]:
        """Latencies, each beside its floor."""
        source = self._source("Already there.")
        headers = {"Authorization": f"Bearer {self._tenant.token}"}
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        with floor.running() as bare:
            async with httpx.AsyncClient(
                base_url=self._running.url,
                headers=headers,
                timeout=60,
                trust_env=False,
                limits=limits,
            ) as client:
                found: dict[str, Any] = {}
                for name, path in (
                    ("GET one source", f"/v1/sources/{source}"),
                    ("GET all bots", "/v1/bot-profiles"),
                ):
                    found |= await self._both(name, client, "GET", path, bare)
                return found | await self._both(
                    "POST a source", client, "POST", "/v1/sources", bare, self._body("A word.")
                )

    async def preload(self) -> float:
        """Fill the log by creating sources at once; returns how many a second."""
        headers = {"Authorization": f"Bearer {self._tenant.token}"}
        async with httpx.AsyncClient(
            base_url=self._running.url, headers=headers, timeout=60, trust_env=False
        ) as client:

            async def create() -> None:
                answer = await client.post("/v1/sources", json=self._body("A word."))
                answer.raise_for_status()  # 202 will do: it is stored

            return await many(create, self._effort.preload, at_once=8)

    def ingestion(self) -> float:
        """Chunks a second of one large text, from the order to `ready`, by workers that are up."""
        warm = self._source("Words that bring the models into the workers' memory.")
        self._tenant.ingest(warm)
        eventually(lambda: self._ended(warm))
        n = self._effort.paragraphs
        text = "\n\n".join(f"{PARAGRAPH.format(n=i) * 6}" for i in range(n))
        source = self._source(text)
        began = time.perf_counter()
        self._tenant.ingest(source)
        chunks = eventually(lambda: self._ended(source), seconds=600)["chunk_count"]
        return float(chunks / (time.perf_counter() - began))

    def first_words(self) -> tuple[float, float]:
        """Median milliseconds to the first frame with words, and to `done`."""
        firsts, dones = [], []
        for n in range(21):
            body = {"bot_profile_id": self._bot, "stream": True}
            question = f"When is the valve in hall {n} closed by hand?"
            began = time.perf_counter()
            first = 0.0
            with self._tenant.http.stream(
                "POST", "/v1/chat", json={**body, "message": question}
            ) as answer:
                for line in answer.iter_lines():
                    if line == "event: delta" and not first:
                        first = time.perf_counter() - began
            firsts.append(first * 1000)
            dones.append((time.perf_counter() - began) * 1000)
        return sorted(firsts)[10], sorted(dones)[10]

    def rebuilds(self) -> dict[str, Any]:
        """Events a second of every read model, as the command line tells."""
        found = {}
        for name in READ_MODELS:
            said = self._running.cli("rebuild", name)
            told = re.search(r"(\d+) events in ([\d.]+) s", said.stdout)
            if told is None:
                raise RuntimeError(f"rebuild {name}: {said.stdout}{said.stderr}")
            events, seconds = int(told[1]), float(told[2])
            found[name] = {
                "events": events,
                "seconds": seconds,
                "per_second": events / max(seconds, 0.01),
            }
        return found

    async def _both(
        self,
        name: str,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        bare: str,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        effort = self._effort
        rate = effort.rate if method == "GET" else effort.write_rate
        found: dict[str, Any] = {}
        for loop in ("sequential", f"open loop {rate:.0f}/s"):
            latencies: dict[str, Latency] = {}
            for side, url in (("floor", bare), ("product", path)):

                async def send(url: str = url) -> None:
                    _ok(await client.request(method, url, json=body))

                await sequential(send, 10)
                latencies[side] = (
                    await sequential(send, effort.requests)
                    if loop == "sequential"
                    else await open_loop(send, rate, effort.seconds)
                )
            found[f"{name}, {loop}"] = {side: asdict(took) for side, took in latencies.items()}
        return found

    def _source(self, text: str) -> str:
        answer = self._tenant.http.post("/v1/sources", json=self._body(text))
        _ok(answer)
        return str(answer.json()["id"])

    def _ended(self, source: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self._tenant.http.get(f"/v1/sources/{source}").json()
        if found["status"] == "error":
            raise RuntimeError(found["error_message"])
        return found if found["status"] == "ready" else None

    def _body(self, text: str) -> dict[str, Any]:
        return {
            "bot_profile_id": self._bot,
            "name": "Bench",
            "source_type": "text",
            "content": text,
        }


def measure(effort: Effort) -> dict[str, Any]:
    """All figures. Each part has an installation of its own."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        figures = stack(Path(folder), effort)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        first_tokens = first_token.run(
            Path(folder), effort.rounds, 1.0 if effort.quick else first_token.SECONDS
        )
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        found = retrieval_speed.run(Path(folder), effort.chunks, effort.questions)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        Path(folder).chmod(0o711)  # Postgres has a user of its own where we are root
        counted = asyncio.run(statistics.measure(Path(folder) / "data", quick=effort.quick))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        Path(folder).chmod(0o711)
        simple = asyncio.run(rebuilding.measure(Path(folder) / "data", quick=effort.quick))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        Path(folder).chmod(0o711)
        held = streams.measure(Path(folder) / "data", quick=effort.quick)
    return {
        **figures,
        "simple read models": simple,
        "streams": held,
        "statistics": counted,
        "first_tokens": [row.shown() for row in first_tokens],
        "retrieval": [row.shown() for row in found],
    }


def stack(data_dir: Path, effort: Effort) -> dict[str, Any]:
    """What is measured of one installation."""
    facts = machine.facts()
    files = formats.files(effort.paragraphs // 10)
    read = asyncio.run(formats.measure(files, effort.documents))
    running = Installation(data_dir)
    found: dict[str, float] = {}
    found["first start, seconds to ready with the demo"] = _start(running)
    running.stop()
    found["second start, seconds to ready"] = _start(running)
    try:
        time.sleep(SETTLE_SECONDS)
        supervisor = json.loads((data_dir / "run.json").read_text())["pid"]
        for name, megabytes in machine.memory(supervisor).items():
            found[f"idle {name[:3].upper()} of all processes, MB"] = megabytes
        bench = Bench(running, effort)
        http = asyncio.run(bench.http())
        found["ingestion, chunks per second"] = bench.ingestion()
        first, done = bench.first_words()
        found["question to first word, ms (local/extractive, median)"] = first
        found["question to done, ms (local/extractive, median)"] = done
        found["sources created per second, 8 at once"] = asyncio.run(bench.preload())
        rebuild = bench.rebuilds()
        hooks = webhooks.measure(running.url, quick=effort.quick)
        fed = feed.measure(running.url, quick=effort.quick)
        texts = ingestion.measure(running.url, quick=effort.quick)
        hot = hot_paths.measure(running.url, quick=effort.quick)
        crowded = overload.measure(running.url, quick=effort.quick)
    finally:
        running.stop()
    return {
        "machine": facts,
        "stack": found,
        "http": http,
        "rebuild": rebuild,
        "webhooks": hooks,
        "feed": fed,
        "hot paths": hot,
        "ingestion": texts,
        "overload": crowded,
        "formats": {ending: asdict(speed) for ending, speed in read.items()},
    }


def _start(running: Installation) -> float:
    began = time.perf_counter()
    running.start()
    return time.perf_counter() - began


def _ok(answer: httpx.Response) -> None:
    if not answer.is_success or answer.status_code == httpx.codes.ACCEPTED:
        raise RuntimeError(f"{answer.status_code} {answer.text[:300]}")


def main() -> None:
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--out", type=Path, default=ROOT / "docs")
    given = options.parse_args()
    figures = measure(QUICK if given.quick else FULL)
    (given.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    page = report.page(figures)
    (given.out / "figures.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
