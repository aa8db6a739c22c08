"""A TCP proxy in front of a server, that can lose what the server says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK = 65_536


class Proxy:
    """Forwards connections to `port`; made by `proxied`."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._mute = asyncio.Event()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def swallow(self) -> None:
        """From now on, lose what the server says; what it is told still reaches it."""
        self._mute.set()

    def cut(self) -> None:
        """Break every connection; the next ones are forwarded as they should."""
        self._mute = asyncio.Event()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def stop(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _connected(self, near: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        far, server = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._writers |= {client, server}
        mute = self._mute
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(near, server, asyncio.Event()))
            both.create_task(_pump(far, client, mute))
        self._writers -= {client, server}


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mute: asyncio.Event
) -> None:
    with contextlib.suppress(OSError):
        while said := await reader.read(CHUNK):
            if not mute.is_set():
                writer.write(said)
                await writer.drain()
    writer.close()


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[Proxy]:
    """A proxy in front of the server on `port`."""
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
