"""More requests than can be done: how much still is, and who suffers from whom.

First the capacity, by clients that wait for each answer, and twice as many requests, at random
times whatever comes back. They take turns, and each figure is the median of its rounds: so what
the machine does for a moment besides decides none of them. With the last request of the last round
a fifth of the capacity begins, to see when all is well again. Then several tenants, of which one
brings half of the traffic, and then far more, in rounds too. It has a process of its own, so that
those who are measured beside it are late by nobody's doing but the server's. `python -m
bench.overload [--quick | --short]` starts an embedded stack and measures this alone.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median
from typing import Any
from urllib.parse import urlsplit

from bench.alone import measure_alone
from bench.flood import Load, Loads, Seen, at
from bench.wire import Wire
from tests.harness import Tenant

MODEST = 4
"""Tenants beside the greedy one."""
BUSY = 0.3
"""Part of the capacity that the modest tenants ask for together. With as much of the greedy one it
is well below the capacity: beyond it is the next stage."""
SETTLING = 0.5
"""Seconds at the beginning of a look at neighbours that do not count: the server is still busy with
hundreds of connections that were opened at once.
"""
LIGHT = 0.2
AT_ONCE = 32
NEIGHBOURS = (
    ("alone", 0.0),
    ("beside half of the traffic", BUSY),
    ("beside twice the capacity", 2.0),
)
"""What the greedy one asks for meanwhile, of the capacity."""
SLICE = 0.5
"""Seconds: all is well again where what was due in each of two slices was answered well."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the run takes."""

    seconds: float
    """Of each flood."""
    floods: int
    after: float
    """Seconds in which all must be well again."""
    rounds: int
    """How often neighbours are looked at."""
    round: float
    """Seconds of each of these looks."""


QUICK, SHORT, FULL = Effort(1, 1, 1, 1, 1), Effort(2, 3, 4, 5, 1.5), Effort(6, 5, 10, 7, 3)


class Overload:
    """All stages, against one server."""

    def __init__(self, url: str, loads: Loads, effort: Effort) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._loads = loads
        self._effort = effort

    def load(self, requests: Sequence[bytes], rate: float, seconds: float, **more: Any) -> Load:
        return Load(self._host, self._port, requests, rate, seconds, **more)

    def capacity(self, request: bytes) -> float:
        seconds = self._effort.seconds / 2
        return self._loads.capacity(self.load([request], 0, seconds, connections=AT_ONCE))

    def one_kind(self, request: bytes) -> dict[str, Any]:
        """Capacity, twice the capacity, and how soon that is forgotten."""
        seconds, rounds = self._effort.seconds, self._effort.floods
        self.capacity(request)  # until all is warm
        (before,) = self._loads.run(self.load([request], LIGHT * self.capacity(request), seconds))
        capacities = [self.capacity(request)]
        shown = []
        after = Seen()
        for number in range(rounds):
            loads = [self.load([request], 2 * capacities[-1], seconds, seed=number)]
            if number == rounds - 1:
                light = LIGHT * capacities[-1]
                loads.append(self.load([request], light, self._effort.after, after=seconds))
            twice, *behind = self._loads.run(*loads)
            after = behind[0] if behind else after
            capacities.append(self.capacity(request))
            capacity = mean(capacities[-2:])
            shown.append(
                twice.shown(seconds)
                | {
                    "asked for, of the capacity": 2 * capacities[-2] / capacity,
                    "goodput, of the capacity": twice.within(seconds) / seconds / capacity,
                }
            )
        limit = 3 * max(before.p95, 5.0)
        return {
            "capacity per second": median(capacities),
            **in_the_middle(shown),
            "seconds until all is well again": recovered(after, self._effort.after, limit),
            "turned away after the overload": len(after.away),
            "failed after the overload": after.wrong,
        }

    def neighbours(self, wires: Sequence[Wire], path: str) -> dict[str, Any]:
        """What the modest tenants wait alone, beside one with as much as all of them, and beside
        one that asks for twice what can be done.
        """
        greedy, *modest = (wire.request("GET", path) for wire in wires)
        seconds = self._effort.round
        shown: dict[str, list[dict[str, float]]] = {}
        for number in range(self._effort.rounds):
            capacity = self._loads.capacity(self.load([greedy], 0, seconds, connections=AT_ONCE))
            for name, share in NEIGHBOURS:
                asked = [(modest, BUSY)] + ([([greedy], share)] if share else [])
                seen = self._loads.run(
                    *(
                        self.load(
                            requests, part * capacity, SETTLING + seconds, seed=2 * number + n
                        )
                        for n, (requests, part) in enumerate(asked)
                    )
                )
                for who, each in zip(("modest tenants", "the greedy one"), seen, strict=False):
                    settled = each.since(SETTLING).shown(seconds)
                    shown.setdefault(f"{who} {name}", []).append(settled)
        found: dict[str, Any] = {name: in_the_middle(rounds) for name, rounds in shown.items()}
        p95 = {
            name: found[f"modest tenants {name}"]["p95 ms of those done"] for name, _ in NEIGHBOURS
        }
        for name, share in NEIGHBOURS:
            if share:
                found[f"p95 {name}, times that alone"] = p95[name] / max(p95["alone"], 0.001)
        return found


def in_the_middle(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each figure the median; what failed in any round is told as a whole."""
    found = {name: median(each[name] for each in rounds) for name in rounds[0]}
    return found | {"failed": sum(each["failed"] for each in rounds)}


def recovered(after: Seen, seconds: float, limit: float) -> float:
    """From when on all was well: two slices in a row in which nobody was turned away and p95 was
    no more than `limit` milliseconds. `seconds` if there are none.
    """
    slices: list[list[float]] = [[] for _ in range(int(seconds / SLICE))]
    for due, ms in after.took:
        slices[min(int(due / SLICE), len(slices) - 1)].append(ms)
    for due in after.away:
        slices[min(int(due / SLICE), len(slices) - 1)].append(float("inf"))
    well = [at(sorted(each), 0.95) <= limit for each in slices]
    both = (n for n, pair in enumerate(pairwise(well)) if all(pair))
    first = next(both, None)
    return seconds if first is None else first * SLICE


def measure(url: str, *, quick: bool) -> dict[str, Any]:
    """All figures."""
    return found(url, QUICK if quick else FULL)


def brief(url: str, *, quick: bool) -> dict[str, Any]:
    """All figures, in a minute and a half."""
    return found(url, QUICK if quick else SHORT)


def found(url: str, effort: Effort) -> dict[str, Any]:
    tenants = [Tenant(url, f"bench-{uuid.uuid4().hex[:8]}") for _ in range(MODEST + 1)]
    wires = [Wire(tenant.url, tenant.token) for tenant in tenants]
    bots = [tenant.bot() for tenant in tenants]
    made = {
        "bot_profile_id": bots[0],
        "name": "One",
        "source_type": "text",
        "content": "A word.",
    }
    path = "/v1/bot-profiles"
    try:
        with Loads(2) as loads:
            stages = Overload(url, loads, effort)
            reads = stages.one_kind(wires[0].request("GET", path))
            beside = stages.neighbours(wires, path)
            # Last, as what they order goes on for a while.
            writes = stages.one_kind(wires[0].request("POST", "/v1/sources", made))
            return {"reads": reads, "neighbours": beside, "writes": writes}
    finally:
        for tenant in tenants:
            tenant.close()


if __name__ == "__main__":
    measure_alone("bench.overload", __doc__, measure, brief)
