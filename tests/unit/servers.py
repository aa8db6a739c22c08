"""Small HTTP servers on loopback that behave, misbehave or count."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Talk = Callable[["Conversation"], Awaitable[None]]


@dataclass
class Conversation:
    """A parsed request, and the wire to say anything at all on."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    stays: bool = False
    """Whether the connection is there for another request behind this one."""

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a packet of its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(
        self, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        given = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        await self.send(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + body)

    async def hang(self) -> None:
        """Say nothing more until the client has gone."""
        while await self.reader.read(1024):
            pass


@dataclass
class Server:
    """Where it listens, and what came."""

    port: int
    host: str = "127.0.0.1"
    connections: int = 0
    requests: list[Conversation] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def serving(talk: Talk, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """A server that handles each request with `talk`, and ends its connection unless that stays."""
    server = Server(0, host)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            stays = True
            while stays:
                conversation = await _read(reader, writer)
                server.requests.append(conversation)
                await talk(conversation)
                stays = conversation.stays
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(connected, host, 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


@asynccontextmanager
async def scripted(*talks: Talk) -> AsyncIterator[Server]:
    """A server that says something else each time; the last one repeats."""
    async with serving(in_turn(talks)) as server:
        yield server


def in_turn(talks: Sequence[Talk]) -> Talk:
    said = iter(range(len(talks) - 1))

    async def talk(conversation: Conversation) -> None:
        await talks[next(said, len(talks) - 1)](conversation)

    return talk


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Conversation:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Conversation(reader, writer, method, path, headers, body)
