"""How long an event takes to a webhook's receiver, and how many are delivered a second.

Against a receiver on this machine that answers at once, so that what is measured is ours: from the
order that makes something happen to the POST that arrives. `python -m bench.webhooks [--quick]`
starts an embedded stack and measures this alone.
"""

import asyncio
import time
import uuid
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from bench.alone import measure_alone
from bench.load import Latency
from bench.outward import Happenings, latency
from tests.e2e.receivers import Hit, receiving
from tests.harness import Tenant, eventually

EVENT = "source.created"
WAIT_SECONDS = 600.0


class Arrivals:
    """Answers every POST and remembers when it came, by endpoint and name of the source."""

    def __init__(self) -> None:
        self.at: dict[tuple[int, str], float] = {}

    def of_endpoint(self, endpoint: int) -> Any:
        def answer(hit: Hit) -> int:
            self.at.setdefault((endpoint, hit.json["source_name"]), time.perf_counter())
            return 204

        return answer


def deliver(url: str, endpoints: int, count: int, at_once: int) -> Latency:
    """So many events, each to so many endpoints. Raises if one does not arrive."""
    tenant = Tenant(url, f"bench-{uuid.uuid4().hex[:8]}")
    happenings, arrivals = Happenings(tenant), Arrivals()
    with ExitStack() as stack:
        stack.callback(tenant.close)
        for n in range(endpoints):
            receiver = stack.enter_context(receiving(arrivals.of_endpoint(n)))
            body = {"url": receiver.url, "events": [EVENT]}
            tenant.http.post("/v1/webhooks", json=body).raise_for_status()
        asyncio.run(happenings.make(count, at_once))
        eventually(
            lambda: len(arrivals.at) == endpoints * count,
            lambda: f"{len(arrivals.at)} of {endpoints * count} arrived",
            seconds=WAIT_SECONDS,
        )
    took = [at - happenings.sent[name] for (_, name), at in arrivals.at.items()]
    whole = max(arrivals.at.values()) - min(happenings.sent.values())
    return latency(took, len(took) / whole)


def measure(url: str, *, quick: bool) -> dict[str, Any]:
    """One event after another to one endpoint; then many at once to ten."""
    return {
        "one after another": asdict(deliver(url, 1, 10 if quick else 200, 1)),
        "eight at once, ten endpoints": asdict(deliver(url, 10, 8 if quick else 200, 8)),
    }


if __name__ == "__main__":
    measure_alone("bench.webhooks", __doc__, measure)
