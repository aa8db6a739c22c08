"""Subscribers of the broker from outside, for tests."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import nats.errors
from nats.aio.client import Client

WAIT_SECONDS = 120.0


class Subscriber:
    """A connection with a token; what it was refused, what it heard, and whether it was cut."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.refusals: asyncio.Queue[str] = asyncio.Queue()
        self.cut = asyncio.Event()
        self.client = Client()

    async def connect(self, url: str, token: str) -> Self:
        """Raises `nats.errors.Error` if the broker lets it not in."""

        async def on_error(error: Exception) -> None:
            if "permissions violation" in str(error):
                self.refusals.put_nowait(str(error))

        async def on_closed() -> None:
            self.cut.set()

        try:
            await self.client.connect(
                url,
                token=token,
                allow_reconnect=False,
                connect_timeout=30,
                error_cb=on_error,
                closed_cb=on_closed,
            )
        except BaseException:
            await self.client.close()
            raise
        return self

    async def subscribe(self, subject: str) -> None:
        async def on_message(message: Any) -> None:
            self.heard.put_nowait((message.subject, json.loads(message.data)))

        await self.client.subscribe(subject, cb=on_message)
        await self.client.flush(timeout=30)

    async def hears(self) -> tuple[str, dict[str, Any]]:
        """The next event."""
        return await asyncio.wait_for(self.heard.get(), WAIT_SECONDS)

    async def refused(self) -> str:
        """The next refusal."""
        return await asyncio.wait_for(self.refusals.get(), WAIT_SECONDS)

    async def is_cut(self) -> None:
        """Wait until the broker has closed the connection."""
        await asyncio.wait_for(self.cut.wait(), WAIT_SECONDS)


@asynccontextmanager
async def subscriber(url: str, token: str) -> AsyncIterator[Subscriber]:
    made = await Subscriber().connect(url, token)
    try:
        yield made
    finally:
        await made.client.close()


async def is_let_in(url: str, token: str) -> bool:
    try:
        async with subscriber(url, token):
            return True
    except (nats.errors.Error, OSError):
        return False


async def over_websocket(
    port: int, who: dict[str, str | None], *, tls: ssl.SSLContext | None = None
) -> bytes:
    """What the broker says to somebody who presents `who`.

    By hand, as the client's own closing of a WebSocket waits for its whole time-out.
    """
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    writer.write(
        b"GET /nats HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    said = f"CONNECT {json.dumps({**who, 'verbose': False})}\r\nPING\r\n".encode()
    # One binary frame, masked with zeros (RFC 6455, 5.2).
    writer.write(b"\x82" + bytes([0x80 | 126]) + len(said).to_bytes(2, "big") + bytes(4) + said)
    answer = b""
    while b"PONG" not in answer and b"-ERR" not in answer:
        piece = await reader.read(4096)
        if not piece:
            break
        answer += piece
    writer.close()
    return answer
