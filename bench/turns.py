"""`python -m bench.turns`: streamed turns a second, beside LiteLLM's alone.

Starts an embedded installation on an empty folder with a scripted model that answers at once, a
hundred words each time. A bot is asked by sixteen clients that wait for the end of each answer.
Then LiteLLM asks the same model as often as it can, in a process that does nothing else: no
retrieval, no citations, nothing stored. Prints a table; `--quick` for a run that only shows that
everything works.
"""

import argparse
import asyncio
import multiprocessing
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from bench import report
from bench.first_token import QUESTION, asked, first_line
from tests.e2e.paced_model import paced_model
from tests.harness import Tenant

AT_ONCE = 16
WORDS = 100
SECONDS = 10.0
Turn = Callable[[], Awaitable[object]]


async def per_second(turn: Turn, at_once: int, seconds: float) -> float:
    """How many turns end in a second if so many are always under way."""
    ended, until = 0, 0.0

    async def ask() -> None:
        nonlocal ended
        while time.perf_counter() < until:
            await turn()
            ended += time.perf_counter() < until

    await asyncio.gather(*(turn() for _ in range(at_once)))  # connections, and models in memory
    until = time.perf_counter() + seconds
    await asyncio.gather(*(ask() for _ in range(at_once)))
    return ended / seconds


def litellm_alone(url: str, seconds: float) -> float:
    """Turns a second of LiteLLM in this process."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm  # noqa: PLC0415  seconds, and only here

    async def turn() -> None:
        answer: Any = await litellm.acompletion(
            model="openai/m",
            api_base=url,
            api_key="k",
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
        )
        async for _ in answer:
            pass

    return asyncio.run(per_second(turn, AT_ONCE, seconds))


async def ours(tenant: Tenant, bot: str, seconds: float) -> float:
    """Turns a second of a bot."""
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {tenant.token}"},
        limits=limits,
        timeout=120,
        trust_env=False,
    ) as http:

        async def turn() -> None:
            body = {"bot_profile_id": bot, "message": QUESTION, "stream": True}
            await first_line(http, f"{tenant.url}/v1/chat", body, "event: done")

        return await per_second(turn, AT_ONCE, seconds)


def run(folder: Path, seconds: float) -> dict[str, float]:
    """Measure on an installation of its own, in an empty folder."""
    with paced_model(words=WORDS, seconds=0) as model:
        with asked(folder, model) as (_, tenant, bot):
            found = {"MiniRAG turns/s": asyncio.run(ours(tenant, bot, seconds))}
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=fresh) as alone:
            found["LiteLLM alone turns/s"] = alone.submit(
                litellm_alone, model.url, seconds
            ).result()
    return found


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.turns", description=__doc__)
    options.add_argument("--quick", action="store_true")
    seconds = 1.0 if options.parse_args().quick else SECONDS
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        found = run(Path(folder), seconds)
    print(report.table([found]))


if __name__ == "__main__":
    main()
