"""`python -m bench.first_token`: what MiniRAG adds to the first token of an instant model.

Starts an embedded installation on an empty folder with a scripted model that answers at once, and
asks both the model itself and a bot that uses it: so many chats in the same instant, which is the
worst that so many can do. Then the model takes two seconds for each answer, as models do, and chats
begin at random times, so often that so many are under way; a wait counts from when its chat was
due. Prints a table; `--quick` for a run that only shows that everything works.
"""

import argparse
import asyncio
import random
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from bench import report
from tests.e2e.paced_model import PacedModel, paced_model
from tests.harness import Installation, Tenant

AT_ONCE = (1, 16, 64)
UNDER_WAY = 16
WORDS, PAUSE_SECONDS = 100, 0.02
"""Of an answer that takes two seconds."""
ROUNDS = 8
SECONDS = 20.0
TEXT = "The harbour of Corran was closed in 1998 because the sea had become too shallow."
QUESTION = "When was the harbour of Corran closed?"

First = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds to the first token."""

    chats: str
    """How many, and how they begin."""
    bare_p50: float
    bare_p95: float
    bare_p99: float
    product_p50: float
    product_p95: float
    product_p99: float

    @classmethod
    def of(cls, chats: str, bare: list[float], product: list[float]) -> Self:
        """From waits that are sorted."""
        shares = (0.5, 0.95, 0.99)
        return cls(chats, *(percentile(waited, p) for waited in (bare, product) for p in shares))

    def shown(self) -> dict[str, float | str]:
        """A line of the table."""
        return {
            "chats": self.chats,
            "model p50 ms": self.bare_p50,
            "MiniRAG p50 ms": self.product_p50,
            "added p50": self.added_p50,
            "added p95": self.added_p95,
            "added p99": self.added_p99,
        }

    @property
    def added_p50(self) -> float:
        return self.product_p50 - self.bare_p50

    @property
    def added_p95(self) -> float:
        return self.product_p95 - self.bare_p95

    @property
    def added_p99(self) -> float:
        return self.product_p99 - self.bare_p99


async def first_line(http: httpx.AsyncClient, path: str, body: object, wanted: str) -> float:
    """Milliseconds to the first line that begins like this; the answer is read to its end."""
    began = time.perf_counter()
    first = 0.0
    last = ""
    async with http.stream("POST", path, json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            last = line or last
            if not first and line.startswith(wanted):
                first = (time.perf_counter() - began) * 1000
    if not first:
        raise RuntimeError(f"no {wanted!r} came from {path}, but {last}")
    return first


async def waits(first: First, at_once: int, rounds: int) -> list[float]:
    """Sorted waits of `rounds` rounds, each of so many at the same time."""
    found: list[float] = []
    for _ in range(rounds):
        found += await asyncio.gather(*(first() for _ in range(at_once)))
    return sorted(found)


async def waits_at_random(first: First, per_second: float, seconds: float) -> list[float]:
    """Sorted waits from when each was due, of so many a second at random times."""
    chance = random.Random(1)  # noqa: S311  nobody gains by guessing it
    began = time.perf_counter()

    async def one(due: float) -> float:
        await asyncio.sleep(due - (time.perf_counter() - began))
        late = (time.perf_counter() - began - due) * 1000
        return late + await first()

    due, tasks = chance.expovariate(per_second), list[Awaitable[float]]()
    while due < seconds or not tasks:
        tasks.append(one(due))
        due += chance.expovariate(per_second)
    return sorted(await asyncio.gather(*tasks))


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@asynccontextmanager
async def asking(model: PacedModel, tenant: Tenant, bot: str) -> AsyncIterator[tuple[First, First]]:
    """One that asks the model itself, and one that asks the bot."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    headers = {"Authorization": f"Bearer {tenant.token}"}
    async with httpx.AsyncClient(
        headers=headers, limits=limits, timeout=120, trust_env=False
    ) as http:
        messages = [{"role": "user", "content": QUESTION}]

        async def bare() -> float:
            body = {"model": "m", "messages": messages, "stream": True}
            return await first_line(http, f"{model.url}/chat/completions", body, "data: {")

        async def product() -> float:
            body = {"bot_profile_id": bot, "message": QUESTION, "stream": True}
            return await first_line(http, f"{tenant.url}/v1/chat", body, "event: delta")

        yield bare, product


async def measure(
    model: PacedModel, tenant: Tenant, bot: str, rounds: int, seconds: float
) -> list[Row]:
    """A row for each number of chats that begin together, and one of chats at random times."""
    async with asking(model, tenant, bot) as (bare, product):
        rows = []
        for at_once in AT_ONCE:
            await waits(product, at_once, 1)  # connections, caches, and models in memory
            plain = await waits(bare, at_once, rounds)
            ours = await waits(product, at_once, rounds)
            rows.append(Row.of(f"{at_once} in the same instant", plain, ours))
        model.words, model.seconds = WORDS, PAUSE_SECONDS
        rate = UNDER_WAY / (WORDS * PAUSE_SECONDS)
        plain = await waits_at_random(bare, rate, seconds)
        ours = await waits_at_random(product, rate, seconds)
        rows.append(Row.of(f"{UNDER_WAY} under way, begun at random", plain, ours))
        return rows


@contextmanager
def asked(folder: Path, model: PacedModel) -> Iterator[tuple[Installation, Tenant, str]]:
    """An installation of its own, in an empty folder, with a tenant and its bot, which has read
    `TEXT` and speaks through `model`.
    """
    env = {"OPENAI_API_BASE": model.url, "OPENAI_API_KEY": "k"}
    running = Installation(folder, env=env).start()
    try:
        tenant = Tenant(running.url, f"bench-{uuid.uuid4().hex[:8]}")
        bot = tenant.bot(model="gpt-4o-mini")
        source = tenant.source(bot, TEXT)
        tenant.ingest(source)
        tenant.ready(source)
        yield running, tenant, bot
        tenant.close()
    finally:
        running.stop()


def run(folder: Path, rounds: int, seconds: float) -> list[Row]:
    """Measure on an installation of its own, in an empty folder."""
    with paced_model(words=5, seconds=0) as model, asked(folder, model) as found:
        _, tenant, bot = found
        return asyncio.run(measure(model, tenant, bot, rounds, seconds))


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.first_token", description=__doc__)
    options.add_argument("--quick", action="store_true")
    effort = (1, 1.0) if options.parse_args().quick else (ROUNDS, SECONDS)
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        found = run(Path(folder), *effort)
    print(report.table([row.shown() for row in found]))


if __name__ == "__main__":
    main()
