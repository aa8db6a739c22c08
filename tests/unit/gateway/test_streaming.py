"""A stream that a route hands over is told to its end, or until its client goes."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message, Receive, Scope, Send

from services.gateway.http.streaming import HandOver, Streamed


class Client:
    """Takes what it is sent; goes when the test says so."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.leaves = asyncio.Event()

    async def receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.heard.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.heard)


class Route:
    """Answers with a stream; knows when it is through, and when the stream is closed."""

    def __init__(self, *pieces: bytes, ends: bool = True, error: Exception | None = None) -> None:
        self._pieces, self._ends, self._error = pieces, ends, error
        self.through = False
        self.through_at: list[bool] = []
        self.closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Streamed(self._told())(scope, receive, send)
        self.through = True

    async def _told(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                self.through_at.append(self.through)
                yield piece
            if self._error is not None:
                raise self._error
            if not self._ends:
                await asyncio.Event().wait()
        finally:
            self.closed = True


def scope() -> Scope:
    return {"type": "http", "state": {}}


async def test_a_stream_is_told_when_its_route_is_through() -> None:
    route, client = Route(b"a", b"b"), Client()
    await HandOver(route)(scope(), client.receive, client.send)
    assert client.heard[0]["status"] == 200
    assert (b"content-type", b"text/event-stream; charset=utf-8") in client.heard[0]["headers"]
    assert [(one["body"], one["more_body"]) for one in client.heard[1:]] == [
        (b"a", True), (b"b", True), (b"", False),
    ]  # fmt: skip
    assert route.through_at == [True, True]
    assert route.closed


async def test_a_stream_ends_when_its_client_goes() -> None:
    route, client = Route(b"a", ends=False), Client()
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(HandOver(route)(scope(), client.receive, client.send))
        while client.body != b"a":
            await asyncio.sleep(0)
        assert not telling.done()
        client.leaves.set()
    assert route.closed


async def test_a_stream_that_fails_says_so() -> None:
    route, client = Route(b"a", error=TimeoutError("no")), Client()
    with pytest.raises(TimeoutError):
        await HandOver(route)(scope(), client.receive, client.send)
    assert route.closed


async def test_a_stream_that_is_cancelled_is_closed() -> None:
    route, client = Route(b"a", ends=False), Client()
    telling = asyncio.ensure_future(HandOver(route)(scope(), client.receive, client.send))
    while client.body != b"a":
        await asyncio.sleep(0)
    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling
    assert route.closed


async def test_without_anybody_who_takes_it_the_route_tells_it_itself() -> None:
    route, client = Route(b"a"), Client()
    await route({"type": "http"}, client.receive, client.send)
    assert client.body == b"a"
    assert route.through_at == [False]
    assert route.closed
