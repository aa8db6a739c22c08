"""`python -m bench.retrieval_speed`: how long retrieval takes, by the size of the index.

Starts an embedded installation on an empty folder and asks it for passages, over HTTP and through
everything a question goes through. In between the installation stands still, and made-up chunks are
put into its vector index by the same owner process that serves it, so a large index is there in
minutes. Prints a table; `--sizes 1000 50000` for other numbers of chunks, `--quick` for a run that
only shows that everything works.
"""

import argparse
import asyncio
import random
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from statistics import quantiles

import numpy as np

from bench import machine, report
from services.chat.adapters import lexical
from services.chat.adapters.edge_index import EdgeIndexes
from services.chat.ports import Point, Scope
from shared.adapters import static_embedder
from tests.harness import Installation, Tenant

SIZES = (1_000, 50_000, 500_000)
FEW = (200, 1_000)
QUESTIONS = 300
SOURCES = 20
"""That the chunks are spread over: each has a row that says that it may answer."""
PAGE = 2_000
"""Chunks between two flushes, as a large source has."""
VOCABULARY = 20_000
WORDS = 60
"""Of a chunk."""
ASKED = 6
"""Words of a question."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SEED = 7


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds of retrieval over so many chunks, and megabytes of the index's process."""

    chunks: int
    inside_p50: float
    inside_p99: float
    http_p50: float
    http_p99: float
    put_per_second: float
    filling_mb: float
    serving_mb: float

    def shown(self) -> dict[str, float]:
        """A line of the table."""
        return {
            "chunks": self.chunks,
            "retrieval p50 ms": self.inside_p50,
            "p99 ms": self.inside_p99,
            "over HTTP p50": self.http_p50,
            "over HTTP p99": self.http_p99,
            "put in per second": self.put_per_second,
            "owner's MB while filling": self.filling_mb,
            "MB of all processes": self.serving_mb,
        }


class Words:
    """Texts of made-up words, some common and most rare, as in any language (Zipf's law)."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  no secret
        self._weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))

    def text(self, words: int) -> str:
        return " ".join(self._random.choices(vocabulary(), cum_weights=self._weights, k=words))


@cache
def vocabulary() -> Sequence[str]:
    """All words, the most common first; the same in every text."""
    drawn = random.Random(SEED)  # noqa: S311  no secret
    return ["".join(drawn.choices(LETTERS, k=drawn.randint(3, 9))) for _ in range(VOCABULARY)]


def chunks(count: int, first: int, place: Scope, sources: Sequence[str]) -> Iterator[Point]:
    """Points of sources that a bot has, numbered from `first`; text and vectors are made up."""
    words = Words(first)
    numbers = np.random.default_rng(first)
    for n in range(first, first + count):
        text = words.text(WORDS)
        dense = numbers.standard_normal(static_embedder.DIMENSION, dtype=np.float32)
        yield Point(
            id=str(uuid.UUID(int=SEED << 64 | n)),
            tenant_id=place.tenant_id,
            bot_profile_id=place.bot_profile_id or "",
            source_id=sources[n % len(sources)],
            revision=1,
            # Far from each other, so that none are taken for neighbours of one passage.
            ordinal=1000 + 2 * n,
            text=text,
            start=1000 * n,
            end=1000 * n + len(text),
            heading=None,
            dense=(dense / np.linalg.norm(dense)).astype("<f4").tobytes(),
            sparse=lexical.document_terms(text),
            language="en",
        )


async def fill(
    folder: Path, place: Scope, sources: Sequence[str], first: int, size: int
) -> tuple[float, float]:
    """Put in what is missing of so many chunks; chunks a second, and the owner's most megabytes."""
    indexes = EdgeIndexes(folder)
    most = 0.0
    began = time.perf_counter()
    try:
        [name] = await indexes.names()
        index = await indexes.open(name, static_embedder.DIMENSION)
        owner = await indexes.owner_pid()
        for at in range(first, size, PAGE):
            page = list(chunks(min(PAGE, size - at), at, place, sources))
            await index.upsert(page)
            await index.flush()
            most = max(most, machine.memory(owner)["rss_mb"])
        seconds = time.perf_counter() - began
    finally:
        await indexes.aclose()
    return (size - first) / seconds, most


def ask(tenant: Tenant, bot: str, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of retrieval as chat tells them, and at the client, of so many questions."""
    words = Words(-1)  # as no chunk begins
    inside, outside = [], []
    for _ in range(count):
        began = time.perf_counter()
        answer = tenant.http.post(
            f"/v1/bot-profiles/{bot}/retrieve", json={"query": words.text(ASKED)}
        )
        outside.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        inside.append(float(answer.json()["latency_ms"]))
    return inside, outside


def percentiles(found: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 99th."""
    cuts = quantiles(found, n=100, method="inclusive")
    return cuts[49], cuts[98]


def run(folder: Path, sizes: Sequence[int], questions: int) -> list[Row]:
    """Measure on an installation of its own, in an empty folder; a row for each of the sizes."""
    running = Installation(folder).start()
    tenant = Tenant(running.url, f"bench-{uuid.uuid4().hex[:8]}")
    rows: list[Row] = []
    try:
        bot = tenant.bot()
        sources = [tenant.source(bot, f"Chapter {n} of a long book.") for n in range(SOURCES)]
        for source in sources:
            tenant.ingest(source)
        for source in sources:
            tenant.ready(source)
        place = Scope(tenant.id, bot)
        size = 0
        for wanted in sizes:
            running.stop()
            speed, filling = asyncio.run(fill(folder / "index", place, sources, size, wanted))
            size = wanted
            running.start()
            ask(tenant, bot, questions // 10 + 2)  # models and pages in memory
            inside, outside = ask(tenant, bot, questions)
            serving = machine.memory(running.pid)["pss_mb"]
            told = Row(wanted, *percentiles(inside), *percentiles(outside), speed, filling, serving)
            rows.append(told)
            print(f"{wanted:,} chunks: {told.inside_p50:.1f} ms", flush=True)
    finally:
        tenant.close()
        running.stop()
    return rows


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.retrieval_speed", description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options.add_argument("--questions", type=int, default=QUESTIONS)
    options.add_argument("--quick", action="store_true")
    given = options.parse_args()
    sizes, questions = (FEW, 20) if given.quick else (given.sizes, given.questions)
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        rows = run(Path(folder), sorted(sizes), questions)
    print(report.table([row.shown() for row in rows]))


if __name__ == "__main__":
    main()
