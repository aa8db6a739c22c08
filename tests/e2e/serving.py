"""Servers of others on loopback, with answers of the test's choice."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


@contextmanager
def held_page() -> Iterator[tuple[str, threading.Event]]:
    """A page that is not answered before the event is set."""
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release.wait(60)
            _send(self, 200, "text/plain", b"A page that took its time to tell something.")

        @override
        def log_message(self, *_args: object) -> None:
            """Silent."""

    with _serving(Handler) as base:
        try:
            yield base, release
        finally:
            release.set()


@contextmanager
def knowledge_api(
    body: Any, status: int = 200, *, location: str | None = None
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A remote knowledge API with one answer; lists path and token of the requests it got."""
    seen: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers["Authorization"]))
            extra = {} if location is None else {"Location": location}
            _send(self, status, "application/json", json.dumps(body).encode(), extra)

        @override
        def log_message(self, *_args: object) -> None:
            """Silent."""

    with _serving(Handler) as base:
        yield base, seen


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    media_type: str,
    body: bytes,
    extra: dict[str, str] | None = None,
) -> None:
    handler.send_response(status)
    headers = {"Content-Type": media_type, "Content-Length": str(len(body)), **(extra or {})}
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
