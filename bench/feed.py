"""The event feed with hundreds of subscribers: how late each hears of an event, and none lost.

All subscribe at one gateway over HTTP, from this process. `python -m bench.feed [--quick]` starts
an embedded stack and measures this alone.
"""

import asyncio
import json
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bench.alone import measure_alone
from bench.outward import Happenings, latency
from tests.harness import Tenant

WAIT_SECONDS = 600.0


@dataclass
class Subscriber:
    """Reads its stream as it comes, and parses no more than it needs."""

    listening: asyncio.Event = field(default_factory=asyncio.Event)
    heard: dict[str, float] = field(default_factory=dict)
    """When, by the name of the source."""
    twice: int = 0

    async def follow(self, url: str, token: str, count: int) -> None:
        """Until so many events came."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        request = (
            "GET /v1/events?type=source.created HTTP/1.1\r\n"
            f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: text/event-stream\r\n\r\n"
        )
        writer.write(request.encode())
        try:
            status = await reader.readline()
            if b" 200 " not in status:
                raise RuntimeError(status.decode())
            while len(self.heard) < count:
                line = await reader.readline()
                if not line:
                    raise RuntimeError("the stream ended")
                self._take(line)
        finally:
            writer.close()

    def _take(self, line: bytes) -> None:
        if line.startswith(b"event: ready"):
            self.listening.set()
        if not line.startswith(b"data: ") or b"source_name" not in line:
            return
        name = json.loads(line[6:])["data"]["source_name"]
        self.twice += name in self.heard
        self.heard.setdefault(name, time.perf_counter())


async def fan_out(tenant: Tenant, subscribers: int, count: int) -> dict[str, Any]:
    """So many events to so many subscribers. Raises if one hears nothing for too long."""
    happenings = Happenings(tenant)
    every = [Subscriber() for _ in range(subscribers)]
    async with asyncio.timeout(WAIT_SECONDS), asyncio.TaskGroup() as tasks:
        for one in every:
            tasks.create_task(one.follow(tenant.url, tenant.token, count))
        for one in every:
            await one.listening.wait()
        tasks.create_task(happenings.make(count, 4))
    took = [at - happenings.sent[name] for one in every for name, at in one.heard.items()]
    last = max(at for one in every for at in one.heard.values())
    told = latency(took, len(took) / (last - min(happenings.sent.values())))
    return {
        **asdict(told),
        "subscribers": subscribers,
        "lost": subscribers * count - len(took),
        "told twice": sum(one.twice for one in every),
    }


def measure(url: str, *, quick: bool) -> dict[str, Any]:
    """Five hundred subscribers hear two hundred events."""
    tenant = Tenant(url, f"bench-{uuid.uuid4().hex[:8]}")
    try:
        return asyncio.run(fan_out(tenant, 20 if quick else 500, 10 if quick else 200))
    finally:
        tenant.close()


if __name__ == "__main__":
    measure_alone("bench.feed", __doc__, measure)
