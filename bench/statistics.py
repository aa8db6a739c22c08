"""Statistics behind little and behind much history, and how fast they are made anew.

Two tenants answer questions for a month, by the same bots and models: one some thousand times, the
other a million. Their events go into a real EVENTS stream, the real projector brings them into the
real Postgres, and the questions behind every route are asked there. No service runs beside it and
no HTTP is measured. `python -m bench.statistics [--quick]` measures this alone.
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from bench.load import Latency, sequential
from services.analytics.main import ROLLUPS
from services.analytics.queries.stats import StatsQueries
from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.postgres import create_engine
from shared.adapters.projector import Projector
from shared.adapters.read_model import ReadModelStore
from shared.adapters.topology import ensure_streams
from shared.adapters.vault import BUCKET
from shared.contracts.analytics import (
    GetCosts,
    GetFeedback,
    GetFeedbackTrend,
    GetLatency,
    GetOverview,
    GetWorstSources,
    ListUnanswered,
    ListUsage,
)
from shared.contracts.base import Event, Metadata, Recorded
from shared.contracts.chat import (
    FeedbackGiven,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    Timings,
    Usage,
)
from shared.contracts.chat_citations import Citation
from shared.embedded.servers import embedded_servers
from shared.kernel.clock import utc_now
from shared.kernel.ids import derived_id, new_id
from shared.kernel.registry import REGISTRY

LITTLE = 1_000
MUCH = 1_000_000
QUICK = 20_000
AT_ONCE = 1_000
"""Events of one append: as many as the broker takes."""
DAYS, BOTS, SOURCES = 30, 5, 50
MODELS = ("gpt-4o", "gpt-4o-mini")
ZONE = "Asia/Kolkata"
ROUTES: Mapping[str, Any] = {
    "overview": GetOverview(),
    "usage": ListUsage(days=DAYS),
    f"usage, tz={ZONE}": ListUsage(days=DAYS, time_zone=ZONE),
    "usage/by-bot, usage/by-model, cost-estimate": GetCosts(days=DAYS),
    "feedback": GetFeedback(),
    "feedback/trend": GetFeedbackTrend(),
    "latency": GetLatency(),
    f"latency, tz={ZONE}": GetLatency(time_zone=ZONE),
    "sources/worst": GetWorstSources(),
    "unanswered": ListUnanswered(limit=100),
}


def turn(n: int, dice: random.Random) -> Iterator[Event]:
    """A question, its end, and now and then what somebody thought of it."""
    chat_id, bot, message = f"c{n}", f"b{dice.randrange(BOTS)}", f"a{n}"
    yield QuestionAsked(
        chat_id=chat_id,
        turn_id=f"t{n}",
        bot_profile_id=bot,
        message_id=f"q{n}",
        first=True,
        question=f"How much does animal {n} weigh?",
    )
    words = dice.lognormvariate(6, 0.5)
    timings = Timings(retrieval_ms=words / 20, first_token_ms=words, total_ms=words * 4)
    usage = Usage(
        model=dice.choice(MODELS),
        prompt_tokens=dice.randrange(500, 2000),
        completion_tokens=dice.randrange(20, 300),
    )
    about = {"chat_id": chat_id, "turn_id": f"t{n}", "bot_profile_id": bot, "message_id": message}
    if dice.random() < 0.1:
        yield QuestionRefused.model_validate(
            {
                **about,
                "answer": "I do not know.",
                "reason": "below the floor",
                "best_score": 0.1,
                "usage": usage,
                "timings": timings,
            }
        )
        return
    citations = [
        Citation(
            citation_id=f"{n}-{k}",
            n=k,
            source_id=f"s{dice.randrange(SOURCES)}",
            document_id="d",
            chunk_id="k",
            revision=1,
            text_ref="t",
            start=0,
            end=9,
            score=1,
            snippet="It weighs seven kilograms.",
        )
        for k in (1, 2)
    ]
    yield QuestionAnswered.model_validate(
        {
            **about,
            "answer": "It weighs seven kilograms.",
            "grounded": True,
            "citations": citations,
            "usage": usage,
            "timings": timings,
        }
    )
    if dice.random() < 0.2:
        yield FeedbackGiven(
            chat_id=chat_id,
            bot_profile_id=bot,
            message_id=message,
            feedback=dice.choice(("positive", "negative")),
            previous=None,
        )


def history(tenant_id: str, count: int) -> Iterator[Recorded[Event]]:
    """So many events of a tenant, over the last days."""
    dice = random.Random(1)  # noqa: S311  the same every time
    start = utc_now() - timedelta(days=DAYS - 1)
    facts = (event for n in range(count) for event in turn(n, dice))
    for n, event in enumerate(islice(facts, count)):
        at = start + timedelta(days=DAYS - 1) * (n / count)
        command = derived_id("bench", tenant_id, str(n))
        metadata = Metadata(
            tenant_id=tenant_id,
            message_id=command,
            correlation_id=command,
            now=at,
            imported="bench",
        )
        yield Recorded(event, metadata, derived_id("event", command), 0)


class OneKey:
    """Every subject has the same key: a vault with a million entries is another measurement."""

    async def data_key(self, _tenant_id: str, _subject: str, *, create: bool) -> bytes | None:  # noqa: ARG002  the name is the port's
        return b"k" * 32

    async def tenant_key(self, _tenant_id: str) -> bytes | None:
        return b"t" * 32


async def told(event_log: EventLog, tenant_id: str, count: int) -> float:
    """Put a history into the log; how many events a second that was."""
    began = asyncio.get_running_loop().time()
    past, last = history(tenant_id, count), 0
    while batch := list(islice(past, AT_ONCE)):
        last = await event_log.transcribe(batch, last)
    return count / (asyncio.get_running_loop().time() - began)


async def asked(store: ReadModelStore, tenant_id: str, times: int) -> dict[str, Latency]:
    """How long each route's question takes."""
    queries = StatsQueries(store)
    metadata = Metadata(
        tenant_id=tenant_id, message_id=new_id(), correlation_id=new_id(), now=utc_now()
    )
    found = {}
    for name, question in ROUTES.items():
        answer = getattr(queries, type(question).name)

        async def send(answer: Any = answer, question: Any = question) -> None:
            await answer(question, metadata)

        await sequential(send, 3)
        found[name] = await sequential(send, times)
    return found


async def measure(data_dir: Path, *, quick: bool) -> dict[str, Any]:
    """All figures; about six minutes for a million events, on two cores."""
    much, times = (QUICK, 10) if quick else (MUCH, 100)
    async with embedded_servers(data_dir) as servers:
        client = await nats_client.connect(servers.nats_url, "bench")
        engine = create_engine(servers.database_url("analytics"), "bench")
        try:
            await ensure_streams(client)
            await client.jetstream().key_value(BUCKET)
            event_log = EventLog(client, Codec(OneKey(), REGISTRY), "bench")
            little_tenant, much_tenant = new_id(), new_id()
            await told(event_log, little_tenant, LITTLE)
            appended = await told(event_log, much_tenant, much)
            store = ReadModelStore(engine, ROLLUPS)
            projector = Projector(store, event_log)
            await projector.prepare()
            first, again = await projector.rebuild(), await projector.rebuild()
            little, large = (
                await asked(store, little_tenant, times),
                await asked(store, much_tenant, times),
            )
        finally:
            await engine.dispose()
            await client.close()
    return {
        "events": {"little": LITTLE, "much": much},
        "appended per second": appended,
        "rebuilt per second": max(one.events / one.seconds for one in (first, again)),
        "routes": {
            name: {"little": asdict(little[name]), "much": asdict(large[name])} for name in ROUTES
        },
    }


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.statistics", description=__doc__)
    options.add_argument("--quick", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        Path(folder).chmod(0o711)
        data_dir = Path(folder) / "data"
        found = asyncio.run(measure(data_dir, quick=given.quick))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
