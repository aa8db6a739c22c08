"""Whatever is killed, nothing acknowledged is lost, nothing is doubled, nothing is stuck."""

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from typing_extensions import override

from shared.runtime.process import SERVICES
from tests.e2e import inside
from tests.e2e.receivers import receiving
from tests.e2e.test_webhooks import deliveries, webhook
from tests.harness import PLAIN, Installation, Tenant, events, eventually, reachable

Register = Callable[[str], Tenant]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SOURCES = 20
PARAGRAPHS = 60
EVERY_READ_MODEL = (
    "audit",
    "erasures",
    "identity",
    "letters",
    "sources",
    "bots",
    "chats",
    "index",
    "spending",
    "playground",
    "schedules",
    "rollups",
    "endpoints",
    "deliveries",
)


def word(kind: str, n: int, p: int) -> str:
    """A word that stands nowhere else, of letters only."""
    digest = hashlib.sha256(f"{kind}/{n}/{p}".encode()).hexdigest()
    return kind + "".join(chr(ord("a") + int(digit, 16)) for digit in digest[:10])


def secret(n: int, p: int) -> str:
    """What only section `p` of document `n` tells."""
    return word("quartz", n, p)


def question(n: int, p: int) -> str:
    return f"What is the code word of {word('cabinet', n, p)}?"


def document(n: int) -> str:
    """A text of some pages whose every section names what only it holds."""
    sections = [
        f"## Section {word('head', n, p)}\n\nThe code word of {word('cabinet', n, p)} is "
        f"{secret(n, p)}. "
        + " ".join(f"Then {word('filler', n, 100 * p + k)} follows." for k in range(5 + p % 23))
        for p in range(PARAGRAPHS)
    ]
    return "\n\n".join([f"# Document {n}", *sections])


def test_ingest_killed_again_and_again_finishes_twenty_sources_once_each(
    isolated: Installation, register: Register
) -> None:
    tenant = register(isolated.url)
    bot = tenant.bot()
    ids = [tenant.source(bot, document(n), name=f"Document {n}") for n in range(SOURCES)]
    for source in ids:
        tenant.ingest(source)
    for pause in (0.0, 0.4, 0.9, 1.3, 0.6):
        time.sleep(pause)
        isolated.kill("ingest")
    found = [tenant.ready(source) for source in ids]
    assert {one["chunk_count"] for one in found} == {PARAGRAPHS}

    facts = inside.facts(isolated.data_dir, tenant.id)
    for source in ids:
        prefix = f"evt.{tenant.id}.source.{source}"
        assert facts[prefix, "prepared"] == facts[prefix, "ingested"] == 1
        assert facts[prefix, "failed"] == 0
    rows = inside.rows(isolated.data_dir)
    indexed = [json.loads(row) for row in rows["chat_index.indexed_sources"]]
    assert sum(row["points"] for row in indexed if row["tenant_id"] == tenant.id) == (
        SOURCES * PARAGRAPHS
    )
    answer = tenant.ask(bot, question(7, 13))
    assert len({hit["content"] for hit in answer["sources"]}) == len(answer["sources"])
    assert secret(7, 13) in answer["message"]["content"]


def test_processes_killed_during_ingests_lose_nothing(
    isolated: Installation, register: Register
) -> None:
    """Each is killed while the work of those before it is being taken up again."""
    begun = []
    for victim in ("chat", "ingest", "nats", "postgres", "gateway"):
        tenant = register(isolated.url)
        bot = tenant.bot()
        ids = [tenant.source(bot, document(n)) for n in range(4)]
        for source in ids:
            tenant.ingest(source)
        begun.append((victim, tenant, bot, ids))
        isolated.revived(victim, isolated.kill(victim))
    for victim, tenant, bot, ids in begun:
        counts = [tenant.ready(source)["chunk_count"] for source in ids]
        assert counts == [PARAGRAPHS] * len(ids), victim
        assert secret(2, 5) in tenant.ask(bot, question(2, 5))["message"]["content"], victim


@pytest.mark.parametrize("victim", ["nats", "postgres", "gateway"])
def test_a_process_killed_during_a_stream_loses_no_answer(
    isolated: Installation, register: Register, victim: str
) -> None:
    tenant = register(isolated.url)
    with slow_model() as credentials:
        bot = tenant.bot(model="gpt-4o-mini", credentials=credentials)
        source = tenant.source(bot, document(1))
        tenant.ingest(source)
        tenant.ready(source)
        body = {
            "bot_profile_id": bot,
            "message": question(1, 3),
            "stream": True,
        }
        turn = ""
        try:
            with tenant.http.stream("POST", "/v1/chat", json=body) as answer:
                for name, data in events(answer.iter_text()):
                    turn = turn or data.get("turn_id", "")
                    if name == "delta":
                        isolated.kill(victim)
                        break
        finally:
            eventually(isolated.all_well)

        def told() -> list[tuple[str, dict[str, Any]]] | None:
            """All of it, once it is told to its end: whatever was killed may still be missing."""
            found = [*events(iter([tenant.http.get(f"/v1/chat/turns/{turn}/stream").text]))]
            return found if found and found[-1][0] == "done" else None

        again = eventually(told, isolated.logs)
    said = ""
    for name, data in again:
        said = "" if name == "reset" else said + data.get("content", "")
    assert said.strip() == WHOLE
    facts = inside.facts(isolated.data_dir, tenant.id)
    mine = f"evt.{tenant.id}."
    assert [n for (of, what), n in facts.items() if of.startswith(mine) and what == "answered"] == [
        1
    ]


def test_a_client_that_goes_away_leaves_a_stored_answer(
    installation: Installation, tenant: Tenant
) -> None:
    with slow_model() as credentials:
        bot = tenant.bot(model="gpt-4o-mini", credentials=credentials)
        source = tenant.source(bot, document(1))
        tenant.ingest(source)
        tenant.ready(source)
        body = {"bot_profile_id": bot, "message": question(1, 3)}
        with tenant.http.stream("POST", "/v1/chat", json={**body, "stream": True}) as answer:
            first = next(events(answer.iter_text()))
        stored = eventually(
            lambda: [
                row
                for row in inside.rows(installation.data_dir)["chat_chats.messages"]
                if first[1]["turn_id"] in row and '"assistant"' in row
            ]
        )
    assert WHOLE in stored[0]
    assert json.loads(stored[0])["completion_tokens"] == len(WORDS)


@dataclass
class Survivor:
    """An installation that was killed as a whole while it ingested, and started again."""

    running: Installation
    tenant: Tenant
    bot: str
    sources: list[str]


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivor]:
    running = Installation(reachable(tmp_path_factory, "survivor"), demo=False).start()
    tenant = Tenant(running.url, "survivor")
    bot = tenant.bot()
    ids = [tenant.source(bot, document(n)) for n in range(6)]
    for source in ids:
        tenant.ingest(source)
    time.sleep(0.5)
    running.kill_everything()
    running.start()
    tenant.http.base_url = running.url
    for source in ids:
        tenant.ready(source)
    yield Survivor(running, tenant, bot, ids)
    tenant.close()
    assert running.stop() == 0, "".join(running.output)


def test_after_a_kill_of_everything_it_goes_on_with_the_same_data(survivor: Survivor) -> None:
    tenant = survivor.tenant
    counts = [tenant.ready(source)["chunk_count"] for source in survivor.sources]
    assert counts == [PARAGRAPHS] * 6
    assert secret(5, 5) in tenant.ask(survivor.bot, question(5, 5))["message"]["content"]


def test_every_read_model_and_the_index_come_back_identical_from_the_log(
    survivor: Survivor, register: Register
) -> None:
    running, data_dir = survivor.running, survivor.running.data_dir
    tenant = register(running.url)
    bot = tenant.bot(credentials={"api_key": "sk-something"}, model="local/extractive")
    kept = tenant.source(bot, document(1), name="kept", refresh_schedule="weekly")
    gone = tenant.source(bot, document(2), name="gone")
    for source in (kept, gone):
        tenant.ingest(source)
        tenant.ready(source)
    tenant.http.patch(f"/v1/sources/{kept}", json={"content": document(3)})
    tenant.ingest(kept)
    eventually(lambda: "revision 2 answers" in tenant.http.get(f"/v1/sources/{kept}/timeline").text)
    tenant.http.delete(f"/v1/sources/{gone}")
    questions = [question(3, p) for p in range(5)]
    for asked in (*questions, "How is the weather?"):
        tenant.ask(bot, asked)
    erased = tenant.ask(bot, question(3, 0))["chat_id"]
    erasure = tenant.http.post(f"/v1/chat/{erased}/erase").headers["Location"]
    eventually(lambda: tenant.http.get(erasure).json()["completed_at"])

    def searched() -> list[object]:
        return [
            [(hit["chunk_id"], hit["score"]) for hit in tenant.ask(bot, asked)["sources"]]
            for asked in questions
        ]

    with receiving() as receiver:
        hook = webhook(tenant, receiver.url, "chat.message")
        before_search = searched()
        eventually(lambda: len(deliveries(tenant, hook, status="delivered")) == len(questions))
    answers = 2 * len(questions) + 2
    stats = "/v1/stats/feedback"
    eventually(lambda: tenant.http.get(stats).json()["total_messages"] == answers)
    before, after = inside.remade(data_dir, *EVERY_READ_MODEL)
    assert after == before

    inside.drop_read_models(data_dir)
    assert running.stop() == 0
    shutil.rmtree(data_dir / "index")
    running.start()
    for one in (tenant, survivor.tenant):
        one.http.base_url = running.url
    assert inside.rows(data_dir) == before
    tenant.http.delete(f"/v1/webhooks/{hook['id']}")
    assert searched() == before_search


def test_a_second_installation_on_the_same_data_is_refused(installation: Installation) -> None:
    second = Installation(installation.data_dir)
    with pytest.raises(AssertionError, match="in use by another MiniRAG"):
        second.start()


WORDS = [f"word{n}" for n in range(25)]
WHOLE = " ".join(WORDS) + " [1]"


class slow_model:  # noqa: N801  reads as what it is
    """An OpenAI-compatible server that takes its time over every word."""

    def __enter__(self) -> dict[str, str]:
        """What a bot needs to use it."""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for piece in [*(f"{word} " for word in WORDS), "[1]"]:
                    chunk = {"choices": [{"delta": {"content": piece}}]}
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                    self.wfile.flush()
                    time.sleep(0.1)
                usage = {"prompt_tokens": 100, "completion_tokens": len(WORDS)}
                self.wfile.write(
                    f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode()
                )
                self.wfile.write(b"data: [DONE]\n\n")

            @override
            def log_message(self, *_args: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the way it is silenced
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return {"api_key": "k", "api_base": address}

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_every_process_answers_probes_on_a_port_of_its_own(isolated: Installation) -> None:
    def told(service: str) -> str:
        found = httpx.get(
            f"{isolated.probes_of(service)}/metrics", verify=PLAIN, timeout=30, trust_env=False
        )
        return found.raise_for_status().text

    for service in SERVICES:
        text = eventually(partial(told, service), isolated.logs)
        assert f'minirag_database_connections{{service="{service}"}}' in text
