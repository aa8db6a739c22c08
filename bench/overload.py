"""More requests than can be done: how much still is, and who suffers from whom.

First the capacity, by clients that wait for each answer. Then twice as many requests, at a fixed
rate whatever comes back; then a fifth of the capacity, to see when all is well again; then several
tenants, of which one brings half of the traffic, and then far more. `python -m bench.overload
[--quick]` starts an embedded stack and measures this alone.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.alone import measure_alone
from bench.load import many
from bench.wire import OK, Wire
from tests.harness import Tenant

MODEST = 4
"""Tenants beside the greedy one."""
BUSY = 0.4
"""Part of the capacity that the modest tenants ask for together."""
LIGHT = 0.2
AT_ONCE = 32


@dataclass
class Seen:
    """What became of the requests of one stage."""

    took: list[tuple[float, float]] = field(default_factory=list)
    """Of requests that were done: when each was due, and the milliseconds from then."""
    away: int = 0
    wrong: int = 0

    @property
    def p95(self) -> float:
        return _at(sorted(ms for _, ms in self.took), 0.95)

    def shown(self, seconds: float) -> dict[str, float]:
        ordered = sorted(ms for _, ms in self.took)
        return {
            "done per second": len(ordered) / seconds,
            "turned away per second": self.away / seconds,
            "failed": self.wrong,
            "p50 ms of those done": _at(ordered, 0.5),
            "p95 ms of those done": _at(ordered, 0.95),
        }


async def at_rate(wire: Wire, request: bytes, rate: float, seconds: float) -> Seen:
    """Requests at a fixed rate."""
    seen = Seen()
    began = time.perf_counter()

    async def one(due: float) -> None:
        try:
            answer = await wire.send(request)
        except (OSError, EOFError):
            seen.wrong += 1
            return
        if answer.status in OK:
            seen.took.append((due - began, (time.perf_counter() - due) * 1000))
        elif answer.turned_away:
            seen.away += 1
        else:
            seen.wrong += 1

    async with asyncio.TaskGroup() as tasks:
        for n in range(int(rate * seconds)):
            due = began + n / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(due))
    return seen


async def one_kind(wire: Wire, request: bytes, seconds: float, count: int) -> dict[str, Any]:
    """Capacity, twice the capacity, and how soon that is forgotten."""
    await many(lambda: wire.good(request), count // 4, AT_ONCE)
    capacity = await many(lambda: wire.good(request), count, AT_ONCE)
    before = await at_rate(wire, request, LIGHT * capacity, seconds / 2)
    twice = await at_rate(wire, request, 2 * capacity, seconds)
    after = await at_rate(wire, request, LIGHT * capacity, 10)
    shown = twice.shown(seconds)
    return {
        "capacity per second": capacity,
        **shown,
        "goodput, of the capacity": shown["done per second"] / capacity,
        "seconds until all is well again": recovered(after, 3 * max(before.p95, 5.0)),
        "turned away after the overload": after.away + after.wrong,
    }


def recovered(after: Seen, limit: float) -> float:
    """When the last request was due that took longer than `limit` milliseconds."""
    return max((due for due, ms in after.took if ms > limit), default=0.0)


async def neighbours(
    wires: Sequence[Wire], request: str, capacity: float, seconds: float
) -> dict[str, Any]:
    """What the modest tenants wait alone, beside one with as much as all of them, and beside one
    that asks for twice what can be done.
    """
    greedy, *modest = wires
    found: dict[str, Any] = {}
    for name, load in (
        ("alone", 0.0),
        ("beside half of the traffic", BUSY),
        ("beside twice the capacity", 2.0),
    ):
        async with asyncio.TaskGroup() as tasks:
            stages = [
                tasks.create_task(
                    at_rate(wire, wire.request("GET", request), BUSY * capacity / MODEST, seconds)
                )
                for wire in modest
            ]
            if load:
                asked = greedy.request("GET", request)
                tasks.create_task(at_rate(greedy, asked, load * capacity, seconds))
        seen = [stage.result() for stage in stages]
        both = Seen([one for each in seen for one in each.took])
        both.away, both.wrong = sum(s.away for s in seen), sum(s.wrong for s in seen)
        found[f"modest tenants {name}"] = both.shown(seconds)
    return found


async def overload(tenants: Sequence[Tenant], *, quick: bool) -> dict[str, Any]:
    """All stages, reads first."""
    seconds, count = (2.0, 100) if quick else (15.0, 3000)
    wires = [Wire(tenant.url, tenant.token) for tenant in tenants]
    bots = [tenant.bot() for tenant in tenants]
    wire = wires[0]
    made = {
        "bot_profile_id": bots[0],
        "name": "One",
        "source_type": "text",
        "content": "A word.",
    }
    reads = "/v1/bot-profiles"
    found = {"reads": await one_kind(wire, wire.request("GET", reads), seconds, count)}
    write = wire.request("POST", "/v1/sources", made)
    found["writes"] = await one_kind(wire, write, seconds, count // 3)
    capacity = found["reads"]["capacity per second"]
    found["neighbours"] = await neighbours(wires, reads, capacity, seconds)
    return found


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def measure(url: str, *, quick: bool) -> dict[str, Any]:
    """All figures."""
    tenants = [Tenant(url, f"bench-{uuid.uuid4().hex[:8]}") for _ in range(MODEST + 1)]
    try:
        return asyncio.run(overload(tenants, quick=quick))
    finally:
        for tenant in tenants:
            tenant.close()


if __name__ == "__main__":
    measure_alone("bench.overload", __doc__, measure)
