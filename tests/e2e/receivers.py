"""Receivers of webhooks on loopback, as tenants would run them, and some that misbehave."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import QuietHandler, loopback

HANG_SECONDS = 300


@dataclass(frozen=True)
class Hit:
    """One POST as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return self.headers["x-minirag-event"]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """Where it listens, what came, and what it answers: a status for each hit."""

    url: str = ""
    hits: list[Hit] = field(default_factory=list)
    answer: Callable[[Hit], int] = lambda _hit: 204

    def of_type(self, event_type: str) -> list[Hit]:
        return [hit for hit in list(self.hits) if hit.type == event_type]


@contextmanager
def receiving(answer: Callable[[Hit], int] = lambda _hit: 204) -> Iterator[Receiver]:
    """A receiver that keeps all that came."""
    receiver = Receiver(answer=answer)

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            hit = Hit({name.lower(): value for name, value in self.headers.items()}, body)
            status = receiver.answer(hit)
            receiver.hits.append(hit)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with loopback(Handler) as base:
        receiver.url = f"{base}/hook"
        yield receiver


def hanging(until: threading.Event) -> Callable[[Hit], int]:
    """Answers once it is let go."""

    def answer(_hit: Hit) -> int:
        until.wait(HANG_SECONDS)
        return 204

    return answer
