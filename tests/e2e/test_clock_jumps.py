"""The clock of the services is an hour off, then an hour off in the other direction.

Their processes are told another time by libfaketime; broker and database keep the right one, so
that the clocks of services and servers differ as well.
"""

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos import invariants
from tests.chaos.evidence import Evidence
from tests.e2e import inside
from tests.e2e.embedding_servers import EmbeddingServer, embedding_server
from tests.e2e.receivers import Hit, Receiver, receiving
from tests.e2e.test_webhooks import webhook
from tests.harness import PLAIN, SPARING, Installation, Tenant, eventually, reachable

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
HOUR = 3600
SLEEP = """
import select, time

def sleep(seconds):
    select.select((), (), (), seconds)

time.sleep = sleep
"""
"""Run by every Python: the library (0.9.10) refuses how `time.sleep` counts, and no other wait."""
FACT = "The sundial of Corran number {n} was carved from slate in 1{n:03d}."
QUESTION = "What was the sundial of Corran number {n} carved from?"
PATIENCE = 120.0
HOLD = (
    invariants.acknowledged_writes_are_in_the_log,
    invariants.a_command_has_one_effect,
    invariants.causes_come_before_their_effects,
    invariants.read_models_are_what_the_log_makes_of_them,
    invariants.nothing_is_left_unfinished,
    invariants.a_run_ends_once,
    invariants.turns_are_stored_and_billed_once,
    invariants.a_slot_comes_once,
    invariants.what_was_given_up_was_planted,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(LIBRARY is None, reason="needs the Debian package libfaketime"),
]


class Clock:
    """What the services take for the time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._file.write_text("+0")
        (folder / "sitecustomize.py").write_text(SLEEP)

    @property
    def env(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            # What counts seconds goes on as it did: a clock that is set does not move it.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(self._file.parent),
        }

    def jump(self, seconds: int, url: str) -> None:
        """So far from the right time; waits until it is so at `url`."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{seconds:+d}")
        beside.rename(self._file)

        def off() -> bool:
            date = httpx.get(f"{url}/livez", verify=PLAIN, trust_env=False).headers["date"]
            return abs(parsedate_to_datetime(date).timestamp() - time.time() - seconds) < HOUR / 2

        eventually(off)


class Refusing:
    """Takes a message when it comes again."""

    def __init__(self) -> None:
        self._met: Counter[str] = Counter()

    def __call__(self, hit: Hit) -> int:
        self._met[hit.id] += 1
        return 503 if self._met[hit.id] == 1 else 204


@dataclass
class Life:
    """What one tenant does at each time, and what it was told."""

    running: Installation
    tenant: Tenant
    receiver: Receiver
    bot: str
    sources: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    session: dict[str, Any] = field(default_factory=dict)

    def goes_on(self, n: int) -> None:
        """Everything that has to do with the time works."""
        self.session_holds()
        self.ingests_and_answers(n)
        self.slot_comes(n)
        self.repeats(n)
        told = len(self.answers)
        eventually(
            lambda: len({hit.id for hit in self.receiver.hits}) == told and self.again() == told,
            lambda: f"{told} answers, {len(self.receiver.hits)} hits",
            PATIENCE,
        )

    def waits_for_its_provider(self, server: EmbeddingServer) -> str:
        """A source whose provider wants to be left in peace for longer than any test has; it says
        so once.
        """
        server.status, server.retry_after = 429, HOUR // 2
        credentials = {"embedding_api_base": server.url, "embedding_api_key": "k"}
        bot = self.tenant.bot(embedding_model="loopback-embed", credentials=credentials)
        source = self.tenant.source(bot, FACT.format(n=100), name="waits")
        self.sources.append("waits")
        self.tenant.ingest(source)
        path = f"/v1/sources/{source}/timeline"
        eventually(lambda: "source.waiting" in self.tenant.http.get(path).text, seconds=PATIENCE)
        server.status = 200
        return source

    def again(self) -> int:
        """How many messages came more than once."""
        met = Counter(hit.id for hit in list(self.receiver.hits))
        return sum(count > 1 for count in met.values())

    def session_holds(self) -> None:
        """A login from another time goes on by its refresh token, and a new one is good at once."""
        if self.session:
            body = {"refresh_token": self.session["refresh_token"]}
            url = f"{self.tenant.url}/v1/auth/refresh"
            answer = httpx.post(url, json=body, verify=PLAIN, timeout=PATIENCE, trust_env=False)
            assert answer.status_code == 200, answer.text
            self._seen(answer.json()["access_token"])
        self.session = self.tenant.login()
        self._seen(self.session["access_token"])
        self._seen(self.tenant.token)

    def _seen(self, credential: str) -> None:
        answer = self.tenant.with_(credential).get("/v1/tenants/me")
        assert answer.status_code == 200, answer.text

    def ingests_and_answers(self, n: int) -> None:
        name = f"source {n}"
        source = self.tenant.source(self.bot, FACT.format(n=n), name=name)
        self.sources.append(name)
        self.tenant.ingest(source)
        self.tenant.ready(source)
        question = QUESTION.format(n=n)
        answer = self.tenant.ask(self.bot, question)["message"]["content"]
        assert "slate" in answer
        self.answers[question] = answer

    def slot_comes(self, n: int) -> None:
        name = f"scheduled {n}"
        text = f"Sundial {n} is cleaned weekly."
        source = self.tenant.source(self.bot, text, name=name, refresh_schedule="weekly")
        self.sources.append(name)
        path = f"/v1/sources/{source}"
        eventually(lambda: self.tenant.http.get(path).json()["next_refresh_at"])
        inside.make_due(self.running.data_dir, self.tenant.id, source, seconds=0.5)
        self.tenant.ready(source)

    def repeats(self, n: int) -> None:
        """A request that comes again with its key has the first answer, also across a jump."""
        email = f"user-{n}@{self.tenant.slug}.example.com"
        body = {"email": email, "password": "correct horse battery", "role": "member"}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        first, again = (
            self.tenant.http.post("/v1/users", json=body, headers=headers) for _ in range(2)
        )
        assert (first.status_code, first.text) == (201, again.text)
        self.users.append(email)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Installation]:
    # Webhooks are tried again after 0.1 seconds.
    env = {**SPARING, **clock.env, "MINIRAG_WEBHOOK_PACE": "0.02"}
    started = Installation(reachable(tmp_path_factory, "clocks"), env=env, demo=False).start()
    eventually(started.all_well, started.logs)
    yield started
    assert started.stop() == 0, "".join(started.output)


def test_whatever_depends_on_time_survives_a_clock_that_jumps(
    running: Installation, clock: Clock
) -> None:
    tenant = Tenant(running.url, "clocks")
    with receiving(Refusing()) as receiver, embedding_server() as server:
        webhook(tenant, receiver.url, "chat.message")
        life = Life(running, tenant, receiver, tenant.bot())
        life.goes_on(0)
        clock.jump(HOUR, running.url)
        life.goes_on(1)
        waiting = life.waits_for_its_provider(server)
        clock.jump(-HOUR, running.url)
        tenant.ready(waiting)
        life.goes_on(2)
    eventually(lambda: not inside.busy(running.data_dir), running.logs, PATIENCE)
    found = left(running, life)
    for hold in HOLD:
        hold(found)
    times = [record.at for record in found.records]
    assert sorted(times) != times, "no clock has jumped"
    tenant.close()


def left(running: Installation, life: Life) -> Evidence:
    rows, rebuilt = inside.remade(running.data_dir, "identity", "sources", "chats", "rollups")
    return Evidence(
        records=inside.history(running.data_dir),
        rows=rows,
        rebuilt=rebuilt,
        journal=(),
        given_up=inside.given_up(running.data_dir),
        storm=life.tenant.id,
        calm="",
        sources=life.sources,
        questions=sorted(life.answers),
        answers=life.answers,
        users=life.users,
    )
