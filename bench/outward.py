"""What both measurements of events on their way out need: things to happen, and when they did."""

import asyncio
import time
import uuid
from collections.abc import Sequence

import httpx

from bench.load import Latency
from tests.harness import Tenant


class Happenings:
    """Creates sources of a tenant, each with a name of its own that its event carries on."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._bot = tenant.bot()
        self.sent: dict[str, float] = {}
        """When each was ordered, by the name of the source."""

    async def make(self, count: int, at_once: int) -> None:
        """So many, so many at a time."""
        headers = {"Authorization": f"Bearer {self._tenant.token}"}
        left = iter(range(count))
        async with httpx.AsyncClient(
            base_url=self._tenant.url, headers=headers, timeout=60, trust_env=False
        ) as http:

            async def one_after_another() -> None:
                for _ in left:
                    name = uuid.uuid4().hex
                    body = {"bot_profile_id": self._bot, "name": name, "source_type": "text"}
                    self.sent[name] = time.perf_counter()
                    answer = await http.post("/v1/sources", json={**body, "content": "A word."})
                    answer.raise_for_status()

            async with asyncio.TaskGroup() as tasks:
                for _ in range(at_once):
                    tasks.create_task(one_after_another())


def latency(seconds: Sequence[float], per_second: float) -> Latency:
    """Of so many ways from an order to who hears of it."""
    ordered = sorted(one * 1000 for one in seconds)
    return Latency(
        p50=ordered[len(ordered) // 2],
        p99=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        count=len(ordered),
        per_second=per_second,
    )
