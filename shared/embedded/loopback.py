"""The few HTTP requests that a supervisor makes, without an HTTP library's memory."""

import asyncio
from dataclasses import dataclass

from shared.embedded.ports import LOOPBACK

LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    body: bytes


async def get(port: int, path: str, *, host: str = LOOPBACK, seconds: float = 2.0) -> Answer:
    """One GET by HTTP/1.0, so that the end of the body is the end of the connection.

    Raises `OSError` (`TimeoutError` is one) if nobody answers in time.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(host, port, limit=LARGEST)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
    try:
        return Answer(int(head.split(maxsplit=2)[1]), body)
    except (IndexError, ValueError) as error:
        raise ConnectionError(f"no HTTP is spoken on port {port}") from error


async def status(port: int, path: str, *, host: str = LOOPBACK) -> int:
    """The status of a GET; 0 if nobody answers."""
    try:
        return (await get(port, path, host=host)).status
    except OSError:
        return 0


def reachable(host: str) -> str:
    """Where somebody on this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  not bound
