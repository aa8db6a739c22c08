"""Servers of others on loopback, with answers of the test's choice."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.loopback import QuietHandler, loopback


@contextmanager
def held_page() -> Iterator[tuple[str, threading.Event]]:
    """A page that is not answered before the event is set."""
    release = threading.Event()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            release.wait(60)
            _send(self, 200, "text/plain", b"A page that took its time to tell something.")

    with loopback(Handler) as base:
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

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers["Authorization"]))
            extra = {} if location is None else {"Location": location}
            _send(self, status, "application/json", json.dumps(body).encode(), extra)

    with loopback(Handler) as base:
        yield base, seen


def _send(
    handler: QuietHandler,
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
