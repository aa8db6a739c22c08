"""More requests than can be done: how much still is, and who suffers from whom.

First the capacity, by clients that wait for each answer. Then twice as many requests, at a fixed
rate whatever comes back; then a fifth of the capacity, to see when all is well again; then several
tenants, of which one brings half of the traffic, and then far more: it has a process of its own, so
that those who are measured beside it are late by nobody's doing but the server's. `python -m
bench.overload [--quick | --short]` starts an embedded stack and measures this alone.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bench.alone import measure_alone
from bench.flood import Load, Loads, Seen
from bench.wire import Wire
from tests.harness import Tenant

MODEST = 4
"""Tenants beside the greedy one."""
BUSY = 0.4
"""Part of the capacity that the modest tenants ask for together."""
LIGHT = 0.2
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the run takes."""

    seconds: float
    after: float
    """Seconds in which all must be well again."""


QUICK, SHORT, FULL = Effort(1, 1), Effort(4, 4), Effort(15, 10)


class Overload:
    """All stages, against one server."""

    def __init__(self, url: str, loads: Loads, effort: Effort) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._loads = loads
        self._effort = effort

    def load(self, requests: Sequence[bytes], rate: float, seconds: float) -> Load:
        return Load(self._host, self._port, requests, rate, seconds)

    def one_kind(self, request: bytes) -> dict[str, Any]:
        """Capacity, twice the capacity, and how soon that is forgotten."""
        seconds = self._effort.seconds
        warm, whole = (self.load([request], 0, each) for each in (seconds / 3, seconds))
        self._loads.capacity(warm, AT_ONCE)
        capacity = self._loads.capacity(whole, AT_ONCE)
        (before,) = self._loads.run(self.load([request], LIGHT * capacity, seconds / 2))
        (twice,) = self._loads.run(self.load([request], 2 * capacity, seconds))
        (after,) = self._loads.run(self.load([request], LIGHT * capacity, self._effort.after))
        shown = twice.shown(seconds)
        done = sum(due + ms / 1000 <= seconds for due, ms in twice.took) / seconds
        return {
            "capacity per second": capacity,
            **shown,
            "goodput, of the capacity": done / capacity,
            "seconds until all is well again": recovered(after, 3 * max(before.p95, 5.0)),
            "turned away after the overload": after.away + after.wrong,
        }

    def neighbours(self, wires: Sequence[Wire], path: str, capacity: float) -> dict[str, Any]:
        """What the modest tenants wait alone, beside one with as much as all of them, and beside
        one that asks for twice what can be done.
        """
        greedy, *modest = (wire.request("GET", path) for wire in wires)
        seconds = self._effort.seconds
        found: dict[str, Any] = {}
        for name, share in (
            ("alone", 0.0),
            ("beside half of the traffic", BUSY),
            ("beside twice the capacity", 2.0),
        ):
            loads = [self.load(modest, BUSY * capacity, seconds)]
            if share:
                loads.append(self.load([greedy], share * capacity, seconds))
            seen = self._loads.run(*loads)
            found[f"modest tenants {name}"] = seen[0].shown(seconds)
            if share:
                found[f"the greedy one, {name}"] = seen[1].shown(seconds)
        alone = found["modest tenants alone"]["p95 ms of those done"]
        for name in ("beside half of the traffic", "beside twice the capacity"):
            p95 = found[f"modest tenants {name}"]["p95 ms of those done"]
            found[f"p95 {name}, times that alone"] = p95 / max(alone, 0.001)
        return found


def recovered(after: Seen, limit: float) -> float:
    """When the last request was due that took longer than `limit` milliseconds."""
    return max((due for due, ms in after.took if ms > limit), default=0.0)


def measure(url: str, *, quick: bool) -> dict[str, Any]:
    """All figures."""
    return found(url, QUICK if quick else FULL)


def brief(url: str, *, quick: bool) -> dict[str, Any]:
    """All figures, in two thirds of a minute."""
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
            beside = stages.neighbours(wires, path, reads["capacity per second"])
            # Last, as what they order goes on for a while.
            writes = stages.one_kind(wires[0].request("POST", "/v1/sources", made))
            return {"reads": reads, "neighbours": beside, "writes": writes}
    finally:
        for tenant in tenants:
            tenant.close()


if __name__ == "__main__":
    measure_alone("bench.overload", __doc__, measure, brief)
