"""Who sends too slowly is let go; who is merely slow, or waits for us, is served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from typing_extensions import override

from services.gateway.http.slow_clients import WHEN_GONE, TimedProtocol

Asgi = Callable[[Any, Any, Any], Awaitable[None]]
Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]

REQUEST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"


class Hasty(TimedProtocol):
    """With terms that a test can wait for."""

    header_seconds = 0.3
    body_seconds = 0.3
    linger_seconds = 60.0
    """A test closes its side long before."""


class Curt(Hasty):
    """Does not wait until the other side has read why."""

    linger_seconds = 0.1


class Server(uvicorn.Server):
    """Tells once it listens."""

    @override
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of bytes that came."""
    del scope
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    await say(send, b"%d" % size)


async def say(send: Any, text: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def talking(app: Asgi = echo, protocol: type[TimedProtocol] = Hasty) -> AsyncIterator[Talk]:
    config = uvicorn.Config(
        app, http=protocol, port=0, log_config=None, access_log=False, lifespan="off"
    )
    server = Server(config)
    serving = asyncio.create_task(server._serve())  # serve() would take the signals of the test run
    await asyncio.wait_for(server.listens.wait(), 30)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def answer(reader: asyncio.StreamReader) -> bytes:
    """What came until the server had no more to say; an error if it hung up on us instead."""
    return await asyncio.wait_for(reader.read(), 30)


async def drip(writer: asyncio.StreamWriter, text: bytes, pause: float) -> None:
    try:
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(pause)
    except ConnectionError:
        pass  # let go, as it should be


async def test_who_says_nothing_is_let_go() -> None:
    async with talking() as (reader, _):
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")


async def test_who_drips_headers_is_let_go() -> None:
    async with talking() as (reader, writer):
        dripping = asyncio.create_task(drip(writer, b"GET / HTTP/1.1\r\nx: " + b"y" * 900, 0.05))
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
        dripping.cancel()


async def test_who_drips_a_body_is_let_go() -> None:
    async with talking() as (reader, writer):
        writer.write(REQUEST % 900)
        dripping = asyncio.create_task(drip(writer, b"y" * 900, 0.05))
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
        dripping.cancel()


async def test_who_is_let_go_is_not_cut_off_while_it_reads_why() -> None:
    async with talking() as (reader, writer):
        writer.write(REQUEST % 900)
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
        for _ in range(5):
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep(0.05)
        assert not writer.transport.is_closing()


async def test_who_was_let_go_and_goes_on_sending_is_hung_up_on() -> None:
    async with talking(protocol=Curt) as (reader, writer):
        writer.write(REQUEST % 9_000)
        dripping = asyncio.create_task(drip(writer, b"y" * 9_000, 0.05))  # for seven minutes
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        await asyncio.wait_for(dripping, 60)


async def test_a_slow_line_is_served() -> None:
    async with talking() as (reader, writer):
        writer.write(REQUEST % 60_000)
        for _ in range(6):
            writer.write(b"y" * 10_000)
            await writer.drain()
            await asyncio.sleep(0.15)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(5) == b"60000"


async def test_that_we_are_slow_is_not_held_against_a_client() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1)
        await echo(scope, receive, send)

    async with talking(slow) as (reader, writer):
        writer.write(REQUEST % 1_000_000 + b"y" * 1_000_000)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(7) == b"1000000"


async def test_who_waits_for_our_leave_to_send_is_given_it() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1)
        await echo(scope, receive, send)

    async with talking(slow) as (reader, writer):
        writer.write(REQUEST[:-2] % 3 + b"expect: 100-continue\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 100 ")
        writer.write(b"abc")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 200 ")


async def test_a_long_answer_has_all_the_time_it_takes() -> None:
    async def long(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await asyncio.sleep(1)
        await say(send, b"done")

    async with talking(long) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(4) == b"done"


async def test_the_next_request_of_a_connection_has_its_own_term() -> None:
    async with talking() as (reader, writer):
        for _ in range(3):
            writer.write(REQUEST % 3 + b"abc")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(1) == b"3"
        writer.write(b"GET / HTTP/1.1\r\n")
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")


class TestAClientThatGoes:
    @pytest.mark.parametrize("half", [True, False], ids=["its half", "all of it"])
    async def test_is_told_of_to_whoever_is_to_answer_it(self, *, half: bool) -> None:
        asked, gone = asyncio.Event(), asyncio.Event()

        async def wait(scope: Any, _receive: Any, _send: Any) -> None:
            scope["state"][WHEN_GONE] = gone.set
            asked.set()
            await gone.wait()

        async with talking(wait, TimedProtocol) as (_, writer):
            writer.write(REQUEST % 0)
            await asyncio.wait_for(asked.wait(), 60)
            if half:
                writer.write_eof()
            else:
                writer.close()
            await asyncio.wait_for(gone.wait(), 60)

    async def test_is_not_told_of_once_it_was_answered(self) -> None:
        gone = asyncio.Event()

        async def answer(scope: Any, _receive: Any, send: Any) -> None:
            scope["state"][WHEN_GONE] = gone.set
            await say(send, b"done")

        async with talking(answer, TimedProtocol) as (reader, writer):
            writer.write(REQUEST % 0)
            await asyncio.wait_for(reader.readuntil(b"done"), 60)
        assert not gone.is_set()
