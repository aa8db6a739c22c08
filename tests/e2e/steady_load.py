"""What clients do all the time: every request must be answered, and answered well."""

import asyncio
import itertools
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.diary import Diary
from tests.e2e.streaming import Reader, number

STREAMS, READS, WRITES, INGESTS = 4, 2, 1, 1
"""How many clients do each."""
PAUSE_SECONDS = 0.1
PATIENCE = 120.0
TEXT = "The lantern number {n} of the pier at Corran is lit by hand."
LISTS = (
    "/v1/bot-profiles",
    "/v1/sources",
    "/v1/chat",
    "/v1/webhooks",
    "/v1/stats/overview",
    "/v1/api-tokens",
    "/v1/tenants/me",
)
"""Something of every service that answers questions."""


@dataclass
class Load:
    """Its clients, and what they were told."""

    url: str
    token: str
    bot: str
    question: str
    """With a place for what makes it another one."""
    diary: Diary
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    put_off: int = 0
    """How often a client was told to come again."""
    readers: list[Reader] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    """Ids of those whose creation was acknowledged."""
    ingested: list[str] = field(default_factory=list)
    """Of those, the ones whose ingestion was."""
    names: list[str] = field(default_factory=list)
    """Of tokens and bots that were acknowledged."""
    operations: list[str] = field(default_factory=list)
    """Ids of orders that were answered before they were done."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def run(self) -> None:
        """Until it is over; then every client finishes what it does."""
        kinds = (
            (self._stream, STREAMS),
            (self._read, READS),
            (self._write, WRITES),
            (self._ingest, INGESTS),
        )
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as clients:
            for work, count in kinds:
                for _ in range(count):
                    http = await stack.enter_async_context(self._client())
                    clients.create_task(self._again(work, http))

    def _client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False
        )

    async def _again(
        self, work: Callable[[httpx.AsyncClient], Awaitable[None]], http: httpx.AsyncClient
    ) -> None:
        while not self.over.is_set():
            await work(http)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _stream(self, http: httpx.AsyncClient) -> None:
        question = self.question.format(number())
        reader = Reader(question, self.bot, [http], [], diary=self.diary)
        self.readers.append(reader)
        await reader.read()
        self.statuses[f"stream: {reader.ends[-1][0]}"] += 1
        self.failures += reader.refused
        self.put_off += reader.put_off

    async def _read(self, http: httpx.AsyncClient) -> None:
        path = LISTS[next(self._numbers) % len(LISTS)]
        await self._told(http, "GET", path, 200)

    async def _write(self, http: httpx.AsyncClient) -> None:
        name = f"made {next(self._numbers)}"
        for path in ("/v1/api-tokens", "/v1/bot-profiles"):
            if await self._told(http, "POST", path, 201, json={"name": name}):
                self.names.append(name)

    async def _ingest(self, http: httpx.AsyncClient) -> None:
        n = next(self._numbers)
        body = {
            "bot_profile_id": self.bot,
            "name": f"source {n}",
            "source_type": "text",
            "content": TEXT.format(n=n),
        }
        made = await self._told(http, "POST", "/v1/sources", 201, json=body)
        if "id" not in made:
            return
        self.sources.append(made["id"])
        if await self._told(http, "POST", f"/v1/sources/{made['id']}/ingest", 202):
            self.ingested.append(made["id"])

    async def _told(
        self, http: httpx.AsyncClient, method: str, path: str, status: int, **request: Any
    ) -> Any:
        """What is answered; empty if that is not what was asked for."""
        # The same key: a client that is told to come again has its order done once.
        headers = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}
        while True:
            try:
                answer = await http.request(method, path, headers=headers, **request)
            except httpx.HTTPError as error:
                self._fail(f"{method} {path}: {error!r}")
                return {}
            self.statuses[f"{method} {answer.status_code}"] += 1
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                self.put_off += 1
                self.diary.note(f"{method} {path}: put off, {answer.text}")
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            if answer.status_code == status:
                return answer.json()
            if answer.status_code == httpx.codes.ACCEPTED:
                # It is stored and will be done; that is an answer, though a slow one.
                self.operations.append(answer.json()["operation_id"])
                self.diary.note(f"{method} {path}: {answer.text}")
            else:
                self._fail(f"{method} {path}: {answer.status_code} {answer.text}")
            return {}

    def _fail(self, what: str) -> None:
        self.failures.append(what)
        self.diary.note(what)

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())
