"""HTTP/1.1 over kept connections, as cheap as a client can be: it shares the cores with what it
measures.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

OK = range(200, 300)
TURNED_AWAY = (429, 503)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    may_return: bool
    """Whether it tells when to come again."""
    body: bytes

    @property
    def turned_away(self) -> bool:
        """Refused as it should be: with a status that says so, and when to come again."""
        return self.status in TURNED_AWAY and self.may_return


class Wire:
    """Connections to one server; each request has one for itself, and leaves it to the next."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._head = f"Host: {parts.netloc}\r\n"
        if token is not None:
            self._head += f"Authorization: Bearer {token}\r\n"
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for _reader, writer in self._free:
            writer.close()

    def request(self, method: str, path: str, body: object = None) -> bytes:
        """The bytes of a request, made once for many times."""
        content = b"" if body is None else json.dumps(body).encode()
        kind = "" if body is None else "Content-Type: application/json\r\n"
        length = f"Content-Length: {len(content)}\r\n"
        return f"{method} {path} HTTP/1.1\r\n{self._head}{kind}{length}\r\n".encode() + content

    async def send(self, request: bytes) -> Answer:
        """Raises `OSError` or `EOFError` if the connection breaks."""
        reader, writer = await self._connection()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await _body(reader, head)
        if b"\r\nconnection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))
        return Answer(int(head[9:12]), b"\r\nretry-after: " in head, body)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():  # the server closes what nobody used for some seconds
                return reader, writer
            writer.close()
        return await asyncio.open_connection(*self._address)

    async def good(self, request: bytes) -> None:
        """Raise `RuntimeError` unless it goes well."""
        answer = await self.send(request)
        if answer.status not in OK:
            raise RuntimeError(f"{answer.status} {answer.body[:300]!r}")


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"\r\ncontent-length: " in head:
        size = int(head.split(b"\r\ncontent-length: ", 1)[1].split(b"\r\n", 1)[0])
        return await reader.readexactly(size)
    if b"\r\ntransfer-encoding: chunked" not in head:
        return b""
    pieces = []
    while size := int(await reader.readline(), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(pieces)
