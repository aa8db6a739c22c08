"""A TCP proxy in front of a server, that can do to connections what networks do."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

CHUNK = 65_536
AT_ONCE = struct.pack("ii", 1, 0)
"""`SO_LINGER` with which a close tells the other end nothing but RST."""


class Link:
    """One connection: to the client and to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.mute = False
        """What the server says is lost."""
        self.dead = False
        """The server is gone and the client is not told; what it says is lost."""

    def abort(self) -> None:
        """End both halves without waiting for what is on its way."""
        for writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Forwards connections to `port`; made by `proxied`."""

    def __init__(self, port: int | Callable[[], int]) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()
        self._going = asyncio.Event()
        self._going.set()
        self._left: int | None = None
        self.latency = 0.0
        """Seconds that each piece takes, in both directions."""

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def swallow(self) -> None:
        """From now on, lose what the server says; what it is told still reaches it."""
        for link in self._links:
            link.mute = True

    def cut(self) -> None:
        """Break every connection; the next ones are forwarded as they should."""
        for link in self._links:
            link.abort()
        self._links.clear()

    def reset(self) -> None:
        """As `cut`, with RST to both ends."""
        for link in self._links:
            for writer in (link.client, link.server):
                with contextlib.suppress(OSError):  # it is closed already
                    found = writer.get_extra_info("socket")
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.cut()

    def cut_after(self, count: int) -> None:
        """Break every connection once so many more bytes have passed, in the midst of a piece."""
        self._left = count

    def stall(self) -> None:
        """Let nothing pass, in neither direction, until `go_on`; connections stay."""
        self._going.clear()

    def go_on(self) -> None:
        self._going.set()

    def half_open(self) -> None:
        """Lose the server's end of every connection; the clients are not told."""
        for link in self._links:
            link.dead = True
            link.server.transport.abort()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def stop(self) -> None:
        self._going.set()
        self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _connected(self, near: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            port = self._upstream if isinstance(self._upstream, int) else self._upstream()
            far, server = await asyncio.open_connection("127.0.0.1", port)
        except (
            OSError,
            asyncio.CancelledError,
        ):  # cancelled: the loop ends before the server answers
            client.transport.abort()
            return
        link = Link(client, server)
        self._links.add(link)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(link, near, server))
            both.create_task(self._pump(link, far, client))
        self._links.discard(link)
        client.close()  # a dead one stays open as long as its client wants

    async def _pump(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(CHUNK):
                await asyncio.sleep(self.latency)
                await self._going.wait()
                if link.dead or (link.mute and writer is link.client):
                    continue
                if self._left is not None and len(piece) > self._left:
                    writer.write(piece[: self._left])
                    await writer.drain()
                    self._left = None
                    self.cut()
                    return
                if self._left is not None:
                    self._left -= len(piece)
                writer.write(piece)
                await writer.drain()
        if not (link.dead and writer is link.client):
            writer.close()


@asynccontextmanager
async def proxied(port: int | Callable[[], int]) -> AsyncIterator[Proxy]:
    """A proxy in front of the server on `port`, or on the port told when a client comes."""
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
