"""Which requests wait for a place, until when they hold it, and what becomes of the others."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from services.gateway.http.callers import Callers
from services.gateway.http.fairness import Fairness, Lines
from services.gateway.http.refusals import Refusals
from services.gateway.http.slow_clients import WHEN_GONE
from shared.kernel.precedence import Precedence
from shared.web.metering import ARRIVED
from shared.web.places import Places

MOST = {"reads": 2, "writes": 2, "answers": 2}
PAGE = "https://page.example"


class Slow:
    """An application whose answers begin, and end, when the test says so."""

    def __init__(self) -> None:
        self.begin = asyncio.Event()
        self.end = asyncio.Event()
        self.working = 0

    def go_on(self) -> None:
        self.begin.set()
        self.end.set()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.working += 1
        await self.begin.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.end.wait()
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def callers() -> Callers:
    known = Callers()
    for number in (1, 2):
        known.note(scope("/v1/sources", credential=f"token-{number}"), f"tenant-{number}")
    return known


def fairness(
    app: Any, callers: Callers, most: dict[str, int] = MOST, patience: float = 0
) -> Fairness:
    refusals = Refusals([PAGE], ["Retry-After"], later=lambda _tell: None)
    places = partial(Places, patience=patience)
    lines = Lines(callers, refusals, most, ("/v1/chat",), places)
    return Fairness(app, lines, Precedence())


@pytest.fixture
def app(slow: Slow, callers: Callers) -> Fairness:
    return fairness(slow, callers)


def scope(
    path: str, method: str = "GET", credential: str | None = "token-1", **headers: str
) -> dict[str, Any]:
    if credential is not None:
        headers["authorization"] = f"Bearer {credential}"
    return {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "client": ("10.0.0.1", 1),
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
        "state": {},
    }


async def ask(app: Fairness, asked: dict[str, Any]) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(asked, receive, send)
    return sent


async def begun(group: asyncio.TaskGroup, app: Fairness, slow: Slow, asked: Any) -> None:
    """A request that is being worked on."""
    before = slow.working
    group.create_task(ask(app, asked))
    while slow.working == before:
        await asyncio.sleep(0)


class Stepwise:
    """A stream that tells its next message when it is asked for it."""

    def __init__(self) -> None:
        self.tells: asyncio.Queue[Message] = asyncio.Queue()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        while (message := await self.tells.get())["type"] != "end":
            await send(message)
            self.tells.task_done()

    async def tell(self, kind: str, **fields: Any) -> None:
        self.tells.put_nowait({"type": kind, **fields})
        await self.tells.join()


class TestAStream:
    @pytest.mark.parametrize(
        ("media_type", "pieces"),
        [(b"text/event-stream; charset=utf-8", 2), (b"application/json", 0)],
    )
    async def test_has_its_place_until_there_is_something_to_tell(
        self, callers: Callers, media_type: bytes, pieces: int
    ) -> None:
        stream, precedence = Stepwise(), Precedence()
        refusals = Refusals([PAGE], ["Retry-After"], later=lambda _tell: None)
        app = Fairness(stream, Lines(callers, refusals, MOST, ("/v1/chat",)), precedence)
        async with asyncio.TaskGroup() as group:
            group.create_task(ask(app, scope("/v1/chat", "POST")))
            await stream.tell(
                "http.response.start", status=200, headers=[(b"content-type", media_type)]
            )
            for _ in range(pieces):
                gives_way = group.create_task(precedence.give_way(60))
                await asyncio.sleep(0)
                assert not gives_way.done()
                await stream.tell("http.response.body", body=b"event: x", more_body=True)
            await precedence.give_way(60)
            stream.tells.put_nowait({"type": "end"})


class TestWhomThereIsNoPlaceFor:
    async def test_is_told_to_come_back(self, app: Fairness, slow: Slow) -> None:
        async with asyncio.TaskGroup() as group:
            await begun(group, app, slow, scope("/v1/sources"))
            start, body = await ask(app, scope("/v1/sources", x_request_id="mine"))
            slow.go_on()
        headers = dict(start["headers"])
        assert (start["status"], headers[b"content-type"]) == (503, b"application/problem+json")
        assert int(headers[b"retry-after"]) > 0
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert int(headers[b"content-length"]) == len(body["body"])
        assert json.loads(body["body"]) == {
            "type": "urn:minirag:problem:overloaded",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "Too many reads at a time; try again in a moment.",
            "instance": "/v1/sources",
            "request_id": "mine",
        }
        assert headers[b"x-request-id"] == b"mine"

    @pytest.mark.parametrize(("origin", "may_read"), [(PAGE, True), ("https://other", False)])
    async def test_is_told_in_a_page_that_may_know(
        self, app: Fairness, slow: Slow, origin: str, *, may_read: bool
    ) -> None:
        async with asyncio.TaskGroup() as group:
            await begun(group, app, slow, scope("/v1/sources"))
            start, _ = await ask(app, scope("/v1/sources", origin=origin))
            slow.go_on()
        assert (b"access-control-allow-origin" in dict(start["headers"])) == may_read

    async def test_is_not_worked_on_once_the_client_has_gone(
        self, slow: Slow, callers: Callers
    ) -> None:
        app = fairness(slow, callers, patience=600)
        async with asyncio.TaskGroup() as group:
            await begun(group, app, slow, scope("/v1/sources"))
            asked = scope("/v1/sources")
            waiting = group.create_task(ask(app, asked))
            while WHEN_GONE not in asked["state"]:
                await asyncio.sleep(0)
            asked["state"][WHEN_GONE]()
            assert await waiting == []
            slow.go_on()
        assert slow.working == 1


@pytest.mark.parametrize(
    "other",
    [
        scope("/v1/sources", credential="token-2"),
        scope("/v1/sources", credential="nobody-knows-it"),
        scope("/v1/sources", credential=None),
        scope("/v1/sources", method="POST"),
        scope("/v1/chat", method="POST"),
        scope("/v1/system/health"),
        scope("/livez"),
    ],
    ids=["another tenant", "unknown", "anybody", "a write", "a question", "health", "liveness"],
)
async def test_a_place_that_is_taken_leaves_these_theirs(
    app: Fairness, slow: Slow, other: dict[str, Any]
) -> None:
    async with asyncio.TaskGroup() as group:
        await begun(group, app, slow, scope("/v1/sources"))
        await begun(group, app, slow, other)
        slow.go_on()


async def test_a_place_is_free_again_when_the_answer_begins(app: Fairness, slow: Slow) -> None:
    async with asyncio.TaskGroup() as group:
        await begun(group, app, slow, scope("/v1/sources"))
        slow.begin.set()
        for _ in range(3):
            await begun(group, app, slow, scope("/v1/sources"))
        slow.go_on()


async def test_a_place_is_free_again_when_the_request_fails(callers: Callers) -> None:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("no memory")

    app = fairness(fail, callers)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await ask(app, scope("/v1/sources"))


async def test_without_a_limit_nothing_is_counted(slow: Slow, callers: Callers) -> None:
    app = fairness(slow, callers, dict.fromkeys(MOST, 0))
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            await begun(group, app, slow, scope("/v1/sources"))
        slow.go_on()


async def test_what_a_request_takes_is_counted_from_when_it_came(app: Fairness, slow: Slow) -> None:
    asked = scope("/v1/sources")
    slow.go_on()
    await ask(app, asked)
    assert ARRIVED in asked["state"]


class TestWhoseARequestIs:
    def test_follows_from_a_credential_that_was_let_in_however_it_is_written(self) -> None:
        callers = Callers()
        callers.note(scope("/", credential="one"), "t1")
        for written in ("one", " one", "one "):
            assert callers.owner(scope("/", credential=written)) == "t1"
        other = scope("/", credential=None)
        other["headers"] = [(b"authorization", b"bearer one")]
        assert callers.owner(other) == "t1"

    def test_is_the_address_s_as_long_as_nobody_let_it_in(self) -> None:
        callers = Callers()
        assert callers.owner(scope("/", credential="one")) == "address 10.0.0.1"
        assert callers.owner(scope("/", credential=None)) == "address 10.0.0.1"

    def test_is_forgotten_with_a_credential_that_does_not_hold_any_more(self) -> None:
        callers = Callers()
        callers.note(scope("/", credential="one"), "t1")
        callers.forget(scope("/", credential="one"))
        callers.forget(scope("/", credential=None))
        assert callers.owner(scope("/", credential="one")) == "address 10.0.0.1"


class TestTheLog:
    async def test_has_one_line_for_all_who_were_sent_away_in_a_while(
        self, slow: Slow, callers: Callers, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        tells: list[Any] = []
        refusals = Refusals(["*"], [], later=tells.append)
        lines = Lines(callers, refusals, MOST, (), partial(Places, patience=0))
        app = Fairness(slow, lines, Precedence())
        async with asyncio.TaskGroup() as group:
            await begun(group, app, slow, scope("/v1/sources"))
            for _ in range(3):
                await ask(app, scope("/v1/sources"))
            slow.go_on()
        (tell,) = tells
        tell()
        (line,) = [record for record in caplog.records if record.message == "sent away"]
        told = {name: vars(line)[name] for name in ("reads", "owners", "most_of", "of_these")}
        assert told == {"reads": 3, "owners": 1, "most_of": "tenant-1", "of_these": 3}
