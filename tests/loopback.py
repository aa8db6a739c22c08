"""HTTP servers on loopback, there for as long as a test needs them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

__all__ = ["QuietHandler", "loopback"]


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
