"""The clients of a storm, who ask again with the same key until they are told."""

import itertools
import logging
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import httpx

from tests.chaos.corpus import FACTS, LONG, mixed
from tests.harness import PASSWORD, Tenant, eventually

log = logging.getLogger(__name__)

AGAIN = frozenset({202, 409, 429, 500, 502, 503, 504})
"""Not told yet, or not by this gateway: the same request may come again."""
CLIENTS = 8
ASKERS = 2
"""Clients that only ask: all others may wait for whoever takes up documents."""
PATIENCE = 600.0
AGAIN_SECONDS = 0.1
"""Before the same request comes again."""
LOOK_SECONDS = 0.5
"""Between two looks at everything, which cost what the work needs."""
PART = "How long does the guarantee on part {n} of a bicycle last?"


class Work:
    """What one tenant asks for, and what it was told."""

    def __init__(self, tenant: Tenant, rounds: int, *, looks: bool = False) -> None:
        """With `looks`, clients look at once for what they were told to be made."""
        self.tenant = tenant
        self._looks = looks
        self.sources: set[str] = set()
        self.users: set[str] = set()
        self.answers: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()
        """How often clients were told what."""
        self.unread: list[str] = []
        """What was told to be made and not there when its client looked."""
        self._posts: list[tuple[str, dict[str, Any], str]] = []
        self._documents = mixed()
        names = [name for name in self._documents if name != LONG]
        self._deck = deque(f"{n}/{name}" for n in range(rounds) for name in names)
        self._long = deque(f"{n}/{LONG}" for n in range(rounds))
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._clients = ThreadPoolExecutor(CLIENTS)
        self._askers = ThreadPoolExecutor(ASKERS)
        self._over = threading.Event()
        self._asked: list[Future[None]] = []
        self.bot = self.profile()

    def begin(self) -> None:
        """Have something that questions can be answered from."""
        self._upload(f"first/{LONG}")
        self.rest()

    def feed(self, count: int = 2, *, long: bool = False) -> None:
        """Upload documents, as long as there are any."""
        with self._lock:
            deck = self._long if long else self._deck
            names = [deck.popleft() for _ in range(min(count, len(deck)))]
        for name in names:
            self._do(self._upload, name)

    def feed_rest(self) -> None:
        """Upload what was not uploaded."""
        self.feed(len(self._long), long=True)
        self.feed(len(self._deck))

    def ask(self) -> None:
        """Ask something that the documents answer."""
        self._do(self._ask, next(self._numbers), self._askers)

    def invite(self) -> None:
        """Make a user."""
        self._do(self._invite, f"user-{next(self._numbers)}@{self.tenant.slug}.example.com")

    def register(self) -> None:
        """Make another tenant, which is several events at once."""
        self._do(self._register, f"{self.tenant.slug}-{next(self._numbers)}")

    def farewell(self) -> None:
        """Make another tenant and erase it."""
        self._do(self._farewell, f"{self.tenant.slug}-{next(self._numbers)}")

    def hook(self) -> None:
        """Make a webhook, to which nothing is delivered."""
        body = {"url": "http://127.0.0.1:9/hook", "events": []}
        self._do(lambda _: self.told(201, "POST", "/v1/webhooks", json=body), 0)

    def profile(self, **fields: Any) -> str:
        """Make a bot and return its id."""
        made = self.told(201, "POST", "/v1/bot-profiles", json={"name": "Bot", **fields})
        return str(made.json()["id"])

    def ingest(self, source: str) -> None:
        """Have a source taken up."""
        self.told(202, "POST", f"/v1/sources/{source}/ingest")

    def write(self, **fields: Any) -> str:
        """Make a source of a text that nobody has yet, and return its id."""
        n = next(self._numbers)
        name = f"text {n} of {self.tenant.slug}"
        body = {
            "bot_profile_id": self.bot,
            "name": name,
            "source_type": "text",
            "content": FACTS.format(n=n),
            **fields,
        }
        made = self.told(201, "POST", "/v1/sources", json=body).json()
        self.sources.add(name)
        self._look(f"/v1/sources/{made['id']}")
        return str(made["id"])

    def scheduled(self) -> str:
        """Make a source that is to be refreshed, and wait until it is known when."""
        source = self.write(refresh_schedule="weekly")
        eventually(
            lambda: self.told(200, "GET", f"/v1/sources/{source}").json()["next_refresh_at"],
            seconds=PATIENCE,
        )
        return source

    def rest(self) -> None:
        """Wait until no source is being worked on."""

        def look() -> bool:
            listed = self.told(200, "GET", "/v1/sources").json()
            if any(source["status"] == "processing" for source in listed):
                time.sleep(LOOK_SECONDS)
                return False
            return True

        eventually(look, seconds=PATIENCE)

    def repeated(self) -> list[tuple[str, str, str]]:
        """Send what was told again with its key: each path, and both answers."""
        found = []
        for path, request, first in list(self._posts):
            answer = self.tenant.http.post(path, **request)
            found.append((path, first, answer.text))
        return found

    def check(self) -> None:
        """Raise what a client did not expect, if one was told so."""
        with self._lock:
            ended = [asked for asked in self._asked if asked.done()]
        for asked in ended:
            asked.result()

    def close(self) -> None:
        """Send all clients home, told or not."""
        self._over.set()
        for clients in (self._clients, self._askers):
            clients.shutdown(cancel_futures=True)
        self.tenant.close()

    def told_all(self) -> None:
        """Wait until every client was told; raises what a client did not expect."""
        for asked in self._asked:
            asked.result(PATIENCE)

    def _do(
        self,
        work: Callable[[Any], object],
        about: object,
        clients: ThreadPoolExecutor | None = None,
    ) -> None:
        with self._lock:
            chosen = clients or self._clients
            self._asked.append(chosen.submit(lambda: (work(about), None)[1]))

    def _upload(self, name: str) -> None:
        file = name.rsplit("/", 1)[-1]
        made = self.told(
            201,
            "POST",
            "/v1/sources/upload",
            files={"file": (file, self._documents[file])},
            data={"bot_profile_id": self.bot, "name": name},
        ).json()
        self.sources.add(name)
        self._look(f"/v1/sources/{made['id']}")

    def _ask(self, n: int) -> None:
        question = PART.format(n=n)
        body = {"bot_profile_id": self.bot, "message": question}
        answer = self.told(200, "POST", "/v1/chat", json=body).json()
        self.answers[question] = answer["message"]["content"]

    def _register(self, name: str) -> dict[str, Any]:
        body = {
            "tenant_name": name,
            "tenant_slug": name,
            "owner_email": f"owner@{name}.example.com",
            "owner_password": PASSWORD,
        }
        made: dict[str, Any] = self.told(201, "POST", "/v1/tenants", json=body).json()
        return made

    def _farewell(self, name: str) -> None:
        http = self.tenant.with_(self._register(name)["api_token"])

        def ordered() -> bool:
            """It is when that was told, or when the token is worth nothing any more."""
            assert not self._over.is_set(), "the storm is over"
            answer = http.post("/v1/tenants/me/erase", json={"confirm": name})
            return answer.status_code in (202, 401, 404)

        eventually(ordered, lambda: name, seconds=PATIENCE)

    def _invite(self, email: str) -> None:
        body = {"email": email, "password": PASSWORD, "role": "member"}
        self.told(201, "POST", "/v1/users", json=body)
        self.users.add(email)

    def _look(self, path: str) -> None:
        if not self._looks:
            return
        try:
            self.told(200, "GET", path)
        except AssertionError as error:
            self.unread.append(str(error))

    def told(self, status: int, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer that has this status, however often the request must come for it. Raises if
        another comes that is none to come again for.
        """
        headers = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}

        def look() -> httpx.Response | None:
            assert not self._over.is_set(), "the storm is over"
            answer = self.tenant.http.request(method, path, headers=headers, **request)
            self.statuses[answer.status_code] += 1
            if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                log.warning("%s %s: %s", method, path, answer.text)
            if answer.status_code in AGAIN - {status}:
                time.sleep(AGAIN_SECONDS)
                return None
            assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
            return answer

        found: httpx.Response = eventually(look, lambda: path, seconds=PATIENCE)
        if method == "POST" and status not in AGAIN:
            self._posts.append((path, {"headers": headers, **request}, found.text))
        return found
