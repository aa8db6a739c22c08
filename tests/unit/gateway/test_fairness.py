"""Which requests wait for a place, and until when they hold it."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from services.gateway.http.fairness import Fairness
from services.gateway.ports import Principal
from shared.web.places import Places
from shared.web.problem import ProblemError


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


def impatient(most: int) -> Places:
    return Places(most, patience=0, brief=0)


def scope(path: str, method: str = "GET", tenant_id: str | None = "t1") -> dict[str, Any]:
    state: dict[str, Any] = {"address": "10.0.0.1"}
    if tenant_id is not None:
        state["principal"] = Principal(kind="token", id="k", tenant_id=tenant_id)
    return {"type": "http", "method": method, "path": path, "state": state}


async def ask(app: Fairness, asked: dict[str, Any]) -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None:
        pass

    await app(asked, receive, send)


async def begun(group: asyncio.TaskGroup, app: Fairness, slow: Slow, asked: Any) -> None:
    """A request that is being worked on."""
    before = slow.working
    group.create_task(ask(app, asked))
    while slow.working == before:
        await asyncio.sleep(0)


@pytest.fixture
def app(slow: Slow) -> Fairness:
    return Fairness(slow, reads=2, writes=2, answers=2, streaming=("/v1/chat",), places=impatient)


async def test_whom_there_is_no_place_for_is_told_to_come_back(app: Fairness, slow: Slow) -> None:
    async with asyncio.TaskGroup() as group:
        await begun(group, app, slow, scope("/v1/sources"))
        with pytest.raises(ProblemError) as refused:
            await ask(app, scope("/v1/sources"))
        slow.go_on()
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})


@pytest.mark.parametrize(
    "other",
    [
        scope("/v1/sources", tenant_id="t2"),
        scope("/v1/sources", tenant_id=None),
        scope("/v1/sources", method="POST"),
        scope("/v1/chat", method="POST"),
        scope("/v1/system/health"),
        scope("/livez"),
    ],
    ids=["another tenant", "anybody", "a write", "a question", "health", "liveness"],
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


async def test_a_place_is_free_again_when_the_request_fails() -> None:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("no memory")

    app = Fairness(fail, reads=2, writes=2, answers=2, streaming=(), places=impatient)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await ask(app, scope("/v1/sources"))


async def test_without_a_limit_nothing_is_counted(slow: Slow) -> None:
    app = Fairness(slow, reads=0, writes=0, answers=0, streaming=(), places=impatient)
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            await begun(group, app, slow, scope("/v1/sources"))
        slow.go_on()
