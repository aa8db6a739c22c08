"""Another index for a bot, made beside the one that answers."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import inside
from tests.e2e.embedding_servers import EmbeddingServer, embedding_server
from tests.harness import Installation, Tenant, eventually

Register = Callable[[str], Tenant]

SECONDS = 120.0
SENTENCES = 300
"""Of a long document: at 100 characters a chunk they make three batches."""


def document(name: str, sentences: int = SENTENCES) -> str:
    """Every sentence names what only it holds, and is a chunk at the smallest size."""
    return "\n\n".join(
        f"The shelf {n} of the {name} cupboard holds exactly {n + 7} boxes of {name} number {n}."
        for n in range(sentences)
    )


def index(tenant: Tenant, bot: str) -> dict[str, Any]:
    answer = tenant.http.get(f"/v1/bot-profiles/{bot}/index")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def patch(tenant: Tenant, bot: str, **fields: Any) -> None:
    answer = tenant.http.patch(f"/v1/bot-profiles/{bot}", json=fields)
    assert answer.status_code == 200, answer.text


def settled(tenant: Tenant, bot: str, generation: int) -> dict[str, Any]:
    """Wait until this generation answers, and is what the bot's settings ask for."""

    def look() -> dict[str, Any] | None:
        found = index(tenant, bot)
        return found if (found["state"], found["generation"]) == ("active", generation) else None

    found: dict[str, Any] = eventually(look, lambda: str(index(tenant, bot)), SECONDS)
    return found


def chunk_ids(tenant: Tenant, source: str) -> set[str]:
    answer = tenant.http.get(f"/v1/sources/{source}/chunks", params={"limit": 500})
    assert answer.status_code == 200, answer.text
    return {chunk["id"] for chunk in answer.json()}


def found_ids(tenant: Tenant, bot: str, query: str) -> set[str]:
    answer = tenant.http.post(f"/v1/bot-profiles/{bot}/retrieve", json={"query": query})
    assert answer.status_code == 200, answer.text
    return {one for passage in answer.json()["passages"] for one in passage["chunk_ids"]}


@dataclass
class Asker:
    """Asks again and again, and remembers which chunks were found each time."""

    tenant: Tenant
    bot: str
    query: str
    answers: list[set[str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                self.answers.append(found_ids(self.tenant, self.bot, self.query))
            except (AssertionError, httpx.HTTPError) as failure:
                self.failures.append(str(failure))
            time.sleep(0.05)  # the machine has others to serve


@contextmanager
def asking(tenant: Tenant, bot: str, query: str) -> Iterator[Asker]:
    asker = Asker(tenant, bot, query)
    thread = threading.Thread(target=asker.run, daemon=True)
    thread.start()
    try:
        yield asker
    finally:
        asker.stopped.set()
        thread.join(60)


def shadows(data_dir: Path, tenant: Tenant) -> Counter[str]:
    """How many facts of each name there are about shadows of the tenant's sources."""
    found: Counter[str] = Counter()
    for (prefix, name), count in inside.facts(data_dir, tenant.id).items():
        if prefix.startswith(f"evt.{tenant.id}.shadow."):
            found[name] += count
    return found


def last_fact(tenant: Tenant, source: str) -> str:
    return str(tenant.http.get(f"/v1/sources/{source}/timeline").json()[-1]["event"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bot_answers_all_the_time_while_its_index_is_made_anew_and_ingest_is_killed(
    isolated: Installation, register: Register
) -> None:
    tenant = register(isolated.url)
    bot = tenant.bot()
    kept, changed, gone = sources = [
        tenant.source(bot, document(name)) for name in ("walnut", "cherry", "poplar")
    ]
    for source in sources:
        tenant.ingest(source)
    for source in sources:
        tenant.ready(source)
    old = chunk_ids(tenant, kept)
    with embedding_server() as server:
        with asking(tenant, bot, "boxes of walnut number 111") as asker:
            eventually(lambda: len(asker.answers) > 2)
            half_done(isolated, tenant, bot, server)
            killed = isolated.kill("ingest")
            server.abandon()
            isolated.revived("ingest", killed)
            change_meanwhile(tenant, bot, changed, gone)
            eventually(lambda: server.waiting > 0, seconds=SECONDS)
            assert index(tenant, bot)["generation"] == 0
            server.open()
            settled(tenant, bot, 1)
            # What came while the index was switched follows in the background.
            eventually(lambda: chunks(tenant, bot) == 2 * SENTENCES + 5, seconds=SECONDS)
            so_far = len(asker.answers)
            eventually(lambda: len(asker.answers) > so_far + 2)
        one_index_at_a_time(asker, old, chunk_ids(tenant, kept))
        embedded = server.counts()
        embedded.pop(asker.query, None)
        assert [text for text, count in embedded.items() if count > 1] == []
        assert len([text for text in embedded if " of walnut number" in text]) == SENTENCES
        assert server.keys == {"Bearer sk-embedding"}
        assert "maple" in str(retrieved(tenant, bot, "boxes of maple number 200"))
        assert gone not in sources_found(tenant, bot, "shelf of the poplar cupboard")

        assert tenant.http.post(f"/v1/sources/{gone}/undo").status_code == 200
        eventually(lambda: gone in sources_found(tenant, bot, "shelf of the poplar cupboard"))
        eventually(lambda: chunks(tenant, bot) == 3 * SENTENCES + 5, seconds=SECONDS)
        again = server.counts()
        assert [text for text in again if " of poplar number" in text and again[text] > 1] == []
        # A fact that comes in between makes a difference, once.
        eventually(lambda: rebuilt_the_same(isolated), seconds=SECONDS)
        assert found_ids(tenant, bot, asker.query) <= chunk_ids(tenant, kept)


def half_done(running: Installation, tenant: Tenant, bot: str, server: EmbeddingServer) -> None:
    """Begin a re-index that comes to a stand in its midst."""
    server.allowed = 3
    credentials = {"embedding_api_base": server.url, "embedding_api_key": "sk-embedding"}
    patch(
        tenant,
        bot,
        chunk_size=100,
        chunk_overlap=0,
        embedding_model="loopback-embed",
        credentials=credentials,
    )

    def stands() -> bool:
        """What was answered is stored, and everybody who works waits for the next answer."""
        if len(server.answered) < server.allowed or not server.waiting:
            return False
        told = shadows(running.data_dir, tenant)
        return told["embedded"] + told["prepared"] == server.allowed

    eventually(stands, lambda: str(index(tenant, bot)), SECONDS)
    found = index(tenant, bot)
    assert (found["state"], found["generation"]) == ("building", 0)
    assert found["building"]["sources_total"] == 3


def change_meanwhile(tenant: Tenant, bot: str, changed: str, gone: str) -> None:
    """Delete a source, change another, add a third."""
    assert tenant.http.delete(f"/v1/sources/{gone}").status_code == 204
    assert gone not in sources_found(tenant, bot, "shelf of the poplar cupboard")
    content = document("cherry").replace("cherry number 200.", "maple number 200.")
    tenant.http.patch(f"/v1/sources/{changed}", json={"content": content})
    tenant.ingest(changed)
    tenant.ingest(tenant.source(bot, document("lemon", 5)))


def one_index_at_a_time(asker: Asker, old: set[str], new: set[str]) -> None:
    """Of one source: first its old chunks were found, then its new ones; never none, never both."""
    assert not old & new
    assert asker.failures == []
    found = [ids & (old | new) for ids in asker.answers]
    assert all(found)
    assert all(ids <= old or ids <= new for ids in found)
    turn = next(n for n, ids in enumerate(found) if ids <= new)
    assert turn > 0
    assert all(ids <= new for ids in found[turn:])


def rebuilt_the_same(running: Installation) -> bool:
    """Whether rows made anew from the log are those that were there."""
    before = inside.rows(running.data_dir)
    inside.rebuild(running.data_dir, "index", "sources")
    return inside.rows(running.data_dir) == before


def chunks(tenant: Tenant, bot: str) -> int:
    """Of the bot, that answer."""
    return int(index(tenant, bot)["chunks"])


def retrieved(tenant: Tenant, bot: str, query: str) -> list[str]:
    answer = tenant.http.post(f"/v1/bot-profiles/{bot}/retrieve", json={"query": query})
    return [passage["text"] for passage in answer.json()["passages"]]


def sources_found(tenant: Tenant, bot: str, query: str) -> set[str]:
    answer = tenant.http.post(
        f"/v1/bot-profiles/{bot}/retrieve", json={"query": query, "limit": 50}
    )
    return {passage["source_id"] for passage in answer.json()["passages"]}


@pytest.mark.timeout(600)
def test_a_change_during_a_reindex_takes_its_place(
    installation: Installation, tenant: Tenant
) -> None:
    bot = tenant.bot()
    source = tenant.source(bot, document("birch", 60))
    tenant.ingest(source)
    tenant.ready(source)
    patch(tenant, bot, chunk_size=400)
    patch(tenant, bot, chunk_size=512, chunk_overlap=64)

    def look() -> dict[str, Any] | None:
        found = index(tenant, bot)
        wanted = {"chunk_size": 512, "chunk_overlap": 64, "embedder": None}
        return found if found["state"] == "active" and found["settings"] == wanted else None

    found = eventually(look, lambda: str(index(tenant, bot)), SECONDS)
    assert (found["building"], found["sources"]) == (None, 1)
    # Who lists chunks hears of the switch a moment after it.
    eventually(
        lambda: len(chunk_ids(tenant, source)) == found["chunks"], lambda: str(found["chunks"])
    )
    assert found_ids(tenant, bot, "boxes of birch number 31") <= chunk_ids(tenant, source)
    tenant.ingest(source)
    eventually(lambda: last_fact(tenant, source) == "source.unchanged")

    patch(tenant, bot, chunk_size=None, chunk_overlap=None)
    back = settled(tenant, bot, found["generation"] + 1)
    assert back["settings"] == {"chunk_size": None, "chunk_overlap": None, "embedder": None}


@pytest.mark.timeout(600)
def test_a_reindex_that_cannot_be_done_says_why_and_what_answered_goes_on(
    installation: Installation, tenant: Tenant
) -> None:
    with embedding_server() as server:
        server.status = 401
        bot = tenant.bot()
        source = tenant.source(bot, document("aspen", 20))
        tenant.ingest(source)
        tenant.ready(source)
        credentials = {"embedding_api_base": server.url, "embedding_api_key": "wrong"}
        patch(tenant, bot, embedding_model="loopback-embed", credentials=credentials)

        def state(wanted: str) -> dict[str, Any] | None:
            found = index(tenant, bot)
            return found if found["state"] == wanted else None

        found = eventually(lambda: state("failed"), lambda: str(index(tenant, bot)), SECONDS)
        assert (found["generation"], found["chunks"]) == (0, len(chunk_ids(tenant, source)))
        assert found["building"]["failed_source_id"] == source
        assert "is not accepted" in found["building"]["reason"]
        assert found_ids(tenant, bot, "boxes of aspen number 11") <= chunk_ids(tenant, source)

        server.status = 200
        answer = tenant.http.post(f"/v1/bot-profiles/{bot}/reindex/retry")
        assert answer.status_code == 202, answer.text
        settled(tenant, bot, 2)
        assert server.counts()
        asked = found_ids(tenant, bot, "boxes of aspen number 11")
        assert asked
        assert asked <= chunk_ids(tenant, source)
        server.status = 500
        assert found_ids(tenant, bot, "boxes of aspen number 11"), "words find without the model"


def test_what_a_reindex_would_cost_is_told_before(
    installation: Installation, tenant: Tenant
) -> None:
    bot = tenant.bot()

    def estimate(**fields: Any) -> dict[str, Any]:
        answer = tenant.http.post(f"/v1/bot-profiles/{bot}/reindex/estimate", json=fields)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    nothing = estimate()
    assert (nothing["needed"], nothing["sources"], nothing["price_usd"]) == (False, 0, 0.0)
    source = tenant.source(bot, document("linden", 100))
    tenant.ingest(source)
    tenant.ready(source)
    free = estimate(chunk_size=512, chunk_overlap=64)
    assert (free["needed"], free["sources"], free["price_usd"]) == (True, 1, 0.0)
    assert 10 < free["chunks"] < 40
    assert free["settings"] == {"chunk_size": 512, "chunk_overlap": 64, "embedder": None}
    assert estimate(embedding_model="text-embedding-3-small")["settings"]["embedder"] is None

    for _ in range(5):  # each right behind a change, which nobody may have heard of but its owner
        patch(tenant, bot, model="gpt-4o-mini", credentials={"api_key": "sk-x"})
        paid = estimate(embedding_model="text-embedding-3-small")
        assert paid["settings"]["embedder"] == "text-embedding-3-small"
        assert paid["price_usd"] == pytest.approx(paid["tokens"] * 2e-8)
        patch(tenant, bot, credentials={"embedding_api_base": "http://127.0.0.1:1/v1"})
        unknown = estimate(embedding_model="my-own")
        assert (unknown["price_known"], unknown["price_usd"]) == (False, None)


def test_settings_that_cannot_be_are_refused_with_their_field(
    installation: Installation, tenant: Tenant
) -> None:
    bot = tenant.bot(chunk_size=512, chunk_overlap=64)
    assert settled(tenant, bot, 1)["settings"]["chunk_size"] == 512
    for fields, field_name in (
        ({"chunk_size": 99}, "chunk_size"),
        ({"chunk_size": 8001}, "chunk_size"),
        ({"chunk_overlap": -1}, "chunk_overlap"),
        ({"chunk_overlap": 300}, "chunk_overlap"),
        ({"chunk_size": 100}, "chunk_overlap"),
    ):
        told = tenant.http.patch(f"/v1/bot-profiles/{bot}", json=fields)
        assert (told.status_code, told.json()["field"]) == (422, field_name)
        asked = tenant.http.post(f"/v1/bot-profiles/{bot}/reindex/estimate", json=fields)
        assert asked.status_code == 422
        assert _told(asked) == _told(told)
    assert tenant.http.get(f"/v1/bot-profiles/{bot}").json()["chunk_overlap"] == 64


def _told(answer: httpx.Response) -> dict[str, Any]:
    """A problem, but for what is of the request alone."""
    return {
        name: value
        for name, value in answer.json().items()
        if name not in ("instance", "request_id")
    }
