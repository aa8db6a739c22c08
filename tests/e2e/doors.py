"""What stands before several gateways: it sends connections to those that are ready, as clusters
do.

It knows nothing of HTTP. A connection stays with its gateway for as long as both ends want.
"""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from shared.embedded.loopback import get
from tests.e2e.diary import Diary
from tests.loopback import serving_streams

LOOK_SECONDS = 0.05
LOOKS = 3
"""So many in a row must come to nothing before a gateway counts as not ready: one may be late. Who
answers that it is not ready is not."""
LOOK_PATIENCE = 30.0
PATIENCE = 60.0
"""Seconds that a client is kept waiting while nobody is ready."""
PIECE = 65_536


@dataclass
class Door:
    """Its address, and which gateways it knows of as ready."""

    url: str = ""
    gateways: list[str] = field(default_factory=list)
    ready: set[str] = field(default_factory=set)
    connections: int = 0
    diary: Diary = field(default_factory=Diary)
    _failed: Counter[str] = field(default_factory=Counter)
    _turns: "itertools.count[int]" = field(default_factory=itertools.count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        self.connections += 1
        try:
            far, to_gateway = await self._connected()
        except OSError as error:
            self.diary.note(f"the door lets nobody through: {error!r}")
            writer.transport.abort()
            return
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pumped("a client", reader, to_gateway))
            both.create_task(self._pumped("a gateway", far, writer))

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the next of those that are ready, or the one after it if nobody is there."""
        loop, first = asyncio.get_running_loop(), next(self._turns)
        until = loop.time() + PATIENCE
        while loop.time() < until:
            ready = sorted(self.ready)
            for n in range(len(ready)):
                address = urlsplit(ready[(first + n) % len(ready)])
                with suppress(ConnectionRefusedError):
                    return await asyncio.open_connection(address.hostname, address.port)
            await asyncio.sleep(LOOK_SECONDS)
        raise ConnectionRefusedError("no gateway is ready")

    async def watch(self, over: threading.Event) -> None:
        """Ask every gateway whether it is ready, again and again."""
        looking: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as looks:
            while not over.is_set():
                for url in self.gateways:
                    if url not in looking or looking[url].done():  # one that is late holds up none
                        looking[url] = looks.create_task(self._look(url))
                await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, url: str) -> None:
        port = urlsplit(url).port
        assert port is not None
        try:
            well = (await get(port, "/readyz", seconds=LOOK_PATIENCE)).status == httpx.codes.OK
            enough = 1
        except OSError:
            well, enough = False, LOOKS
        self._failed[url] = 0 if well else self._failed[url] + 1
        if well and url not in self.ready:
            self.ready.add(url)
            self.diary.note(f"the door sees that {url} is ready")
        elif self._failed[url] >= enough and url in self.ready:
            self.ready.discard(url)
            self.diary.note(f"the door sees that {url} is not ready")

    async def _pumped(
        self, who: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while piece := await reader.read(PIECE):
                writer.write(piece)
                await writer.drain()
        except OSError as error:
            self.diary.note(f"what {who} says is not passed on: {error!r}")
        writer.close()


@contextmanager
def opened(diary: Diary) -> Iterator[Door]:
    """A door that knows of no gateway yet."""
    door = Door(diary=diary)
    over = threading.Event()
    watching = threading.Thread(target=lambda: asyncio.run(door.watch(over)), daemon=True)
    with serving_streams(door.serve) as door.url:
        watching.start()
        try:
            yield door
        finally:
            over.set()
            watching.join()
