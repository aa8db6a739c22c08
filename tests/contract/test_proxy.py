"""The proxy that tests put before servers does to connections what it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.proxy import Proxy, proxied


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Before a server that says again what it is told."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while said := await reader.read(100):
                writer.write(said)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, proxied(server.sockets[0].getsockname()[1]) as made:
        yield made


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, said: bytes) -> None:
        self.writer.write(said)
        await self.writer.drain()

    async def hears(self, count: int) -> bytes:
        return await self.reader.readexactly(count)

    async def hears_nothing(self) -> bool:
        """As far as that shows: the connection stays open for a moment and nothing comes."""
        try:
            async with asyncio.timeout(0.05):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        client = Client(reader, writer)
        await client.say(b"hello")
        assert await client.hears(5) == b"hello"
        yield client
    finally:
        writer.transport.abort()


async def test_a_stalled_connection_goes_on_where_it_was(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        proxy.stall()
        await client.say(b"are you there")
        assert await client.hears_nothing()
        proxy.go_on()
        assert await client.hears(13) == b"are you there"


async def test_a_connection_breaks_in_the_midst_of_a_piece(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        proxy.cut_after(7)  # four on the way there, three on the way back
        await client.say(b"1234")
        assert await client.reader.read(100) == b"123"
        assert await client.reader.read(100) == b""
    async with connected(proxy) as client:
        await client.say(b"1234")
        assert await client.hears(4) == b"1234"


async def test_a_reset_connection_says_so(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await client.reader.read(100)


async def test_a_half_open_connection_stays_and_says_nothing(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        proxy.half_open()
        await client.say(b"are you there")
        assert await client.hears_nothing()
    async with connected(proxy) as other:
        await other.say(b"again")
        assert await other.hears(5) == b"again"


async def test_what_a_mute_server_says_is_lost_until_the_connection_breaks(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        proxy.swallow()
        await client.say(b"are you there")
        assert await client.hears_nothing()
        proxy.cut()
        assert await client.reader.read(100) == b""
