"""An OpenAI-compatible server of embeddings on loopback that counts what it is asked for."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.loopback import QuietHandler, loopback

DIMENSION = 8


@dataclass
class EmbeddingServer:
    """Where it listens, what it embedded, and how many answers it still gives before it waits."""

    url: str = ""
    answered: list[tuple[str, ...]] = field(default_factory=list)
    """The texts of every request that was answered."""
    keys: set[str] = field(default_factory=set)
    status: int = 200
    """What every request is answered with."""
    retry_after: int | None = None
    """Seconds after which whoever is refused may come again; None: it is not told."""
    allowed: int = 1_000_000
    waiting: int = 0
    abandoned: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def counts(self) -> Counter[str]:
        """How often each text was embedded."""
        return Counter(text for texts in list(self.answered) for text in texts)

    def abandon(self) -> None:
        """Let go of requests that wait: whoever sent them is dead."""
        with self.changed:
            self.abandoned += 1
            self.changed.notify_all()

    def open(self) -> None:
        """Answer everything from here on."""
        with self.changed:
            self.allowed = 1_000_000
            self.changed.notify_all()

    def admit(self, texts: tuple[str, ...]) -> bool:
        """Wait for permission; False if the request was abandoned meanwhile."""
        with self.changed:
            before = self.abandoned
            self.waiting += 1
            self.changed.wait_for(
                lambda: self.abandoned != before or len(self.answered) < self.allowed
            )
            self.waiting -= 1
            if self.abandoned != before:
                return False
            self.answered.append(texts)
            return True


@contextmanager
def embedding_server() -> Iterator[EmbeddingServer]:
    kept = EmbeddingServer()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept.keys.add(self.headers.get("Authorization", ""))
            if kept.status != 200:
                return self._say(kept.status, {"error": {"message": "no"}})
            if not kept.admit(tuple(body["input"])):
                self.close_connection = True
                return None
            data = [{"index": n, "embedding": vector(text)} for n, text in enumerate(body["input"])]
            return self._say(200, {"data": data, "model": body["model"]})

        def _say(self, status: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status != 200 and kept.retry_after is not None:
                self.send_header("Retry-After", str(kept.retry_after))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with loopback(Handler) as base:
        kept.url = f"{base}/v1"
        try:
            yield kept
        finally:
            kept.abandon()


def vector(text: str) -> list[float]:
    """The same text, the same vector; not of unit length."""
    digest = hashlib.sha256(text.encode()).digest()[:DIMENSION]
    return [byte - 127.5 for byte in digest]
