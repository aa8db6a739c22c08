"""A bot's reranker, through the public interface: its order, and what happens without it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

from tests.harness import Tenant

TEXTS = [
    "The lantern of the northern tower burns whale oil.",
    "The lantern of the southern tower burns rape oil.",
    "The lantern of the eastern tower burns olive oil.",
]
QUESTION = "Which oil does the lantern of the northern tower burn?"


@dataclass
class RerankServer:
    """Ranks texts with `favourite` first; answers with `status`."""

    url: str = ""
    favourite: str = "eastern"
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def rerank_server() -> Iterator[RerankServer]:
    kept = RerankServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept.asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
            results = [
                {"index": n, "relevance_score": 0.9 if kept.favourite in text else 0.1}
                for n, text in enumerate(body["documents"])
            ]
            data = json.dumps({"results": results}).encode()
            self.send_response(kept.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_reranker_of_a_bot_makes_the_order_and_its_failure_none(tenant: Tenant) -> None:
    with rerank_server() as server:
        credentials = {"rerank_api_base": server.url, "rerank_api_key": "rr-secret"}
        bot = tenant.bot(rerank_model="rerank-1", credentials=credentials)
        sources = []
        for text in TEXTS:
            source = tenant.source(bot, text)
            tenant.ingest(source)
            tenant.ready(source)
            sources.append(source)

        def first() -> tuple[str, str, float | None]:
            answer = tenant.http.post(f"/v1/bot-profiles/{bot}/retrieve", json={"query": QUESTION})
            assert answer.status_code == 200, answer.text
            found = answer.json()
            best = found["passages"][0]
            assert len(found["passages"]) == len(TEXTS)
            return found["reranking"], best["text"], best["reranked"]

        assert first() == ("done", TEXTS[2], 0.9)
        [asked] = server.asked
        assert (asked["path"], asked["key"]) == ("/v1/rerank", "Bearer rr-secret")
        assert (asked["model"], asked["query"]) == ("rerank-1", QUESTION)
        assert sorted(asked["documents"]) == sorted(TEXTS)
        assert tenant.ask(bot, QUESTION)["citations"][0]["source_id"] == sources[2]

        server.status = 503
        assert first() == ("failed", TEXTS[0], None)
        off = tenant.http.patch(f"/v1/bot-profiles/{bot}", json={"rerank_model": None})
        assert off.json()["rerank_model"] is None
        before = len(server.asked)
        assert first() == ("off", TEXTS[0], None)
        assert len(server.asked) == before
