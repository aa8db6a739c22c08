"""HTTP servers on loopback, there for as long as a test needs them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

__all__ = ["QuietHandler", "loopback", "serving_streams"]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WAIT_SECONDS = 120


class QuietHandler(BaseHTTPRequestHandler):
    """Writes no line for each request."""

    @override
    def log_message(self, *_args: object) -> None:
        """Silent."""


@contextmanager
def loopback(handler: type[QuietHandler]) -> Iterator[str]:
    """Its address, without a slash at the end. Clients may go away as they like."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the way it is silenced
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving_streams(serve: Serve) -> Iterator[str]:
    """The address of a server for hundreds of connections, in a thread with a loop of its own."""
    address: list[str] = []
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
        address.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        ready.set()
        await over.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(WAIT_SECONDS)
    try:
        yield address[0]
    finally:
        stop[0]()
        thread.join(WAIT_SECONDS)
