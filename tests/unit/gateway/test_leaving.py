"""Who leaves goes on to answer for a while, and says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from services.gateway.http.leaving import Door
from shared.embedded.ports import LOOPBACK, first_free
from tests.eventually import eventually

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n"
"""Its head is answered at once, its body when the house may answer."""
BODY = b"whole"
SECONDS = 30.0


@dataclass
class House:
    """A door and what it leads to."""

    port: int
    stopping: asyncio.Event
    leaving: asyncio.Event
    may_answer: asyncio.Event
    asked: asyncio.Event
    serving: asyncio.Task[None]

    async def closed(self) -> None:
        """Wait until nobody is let in."""

        async def refused() -> None:
            try:
                _, late = await self.enter()
            except ConnectionError:
                return  # refused, or reset by a door that closes just then
            late.close()
            raise AssertionError("the door is open")

        await eventually(refused, SECONDS)

    async def enter(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOOPBACK, self.port)


@asynccontextmanager
async def open_house(notice: float, drain: int | None = None) -> AsyncIterator[House]:
    may_answer, asked = asyncio.Event(), asyncio.Event()
    may_answer.set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        length = [(b"content-length", b"%d" % len(BODY))]
        head = {"type": "http.response.start", "status": 200, "headers": length}
        at_once = scope["path"] == "/stream"
        if at_once:
            await send(head)
        asked.set()
        await may_answer.wait()
        if not at_once:
            await send(head)
        await send({"type": "http.response.body", "body": BODY})

    stopping, leaving = asyncio.Event(), asyncio.Event()
    port = first_free(32_600, LOOPBACK)
    config = uvicorn.Config(
        app,
        host=LOOPBACK,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=drain,
    )
    serving = asyncio.create_task(Door(config, leaving, notice).serve(stopping))
    house = House(port, stopping, leaving, may_answer, asked, serving)

    async def listens() -> None:
        try:
            _, writer = await house.enter()
        except ConnectionRefusedError as error:
            raise AssertionError("nobody listens yet") from error
        writer.close()

    await eventually(listens, SECONDS)
    try:
        yield house
    finally:
        serving.cancel()
        await asyncio.wait({serving})


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
    return head.lower(), await asyncio.wait_for(reader.readexactly(len(BODY)), SECONDS)


async def test_with_notice_every_answer_closes_its_connection_and_others_may_still_enter() -> None:
    async with open_house(notice=3600) as house:
        reader, writer = await house.enter()
        writer.write(GET)
        head, _ = await answer(reader)
        assert b"connection: close" not in head
        house.stopping.set()
        await asyncio.wait_for(house.leaving.wait(), SECONDS)
        for talk in ((reader, writer), await house.enter()):
            talk[1].write(GET)
            head, body = await answer(talk[0])
            assert b"connection: close" in head
            assert body == BODY
            assert await asyncio.wait_for(talk[0].read(), SECONDS) == b""
            talk[1].close()


async def test_behind_the_notice_nobody_enters_and_who_is_inside_is_answered() -> None:
    async with open_house(notice=0) as house:
        house.may_answer.clear()
        reader, writer = await house.enter()
        writer.write(GET)
        await asyncio.wait_for(house.asked.wait(), SECONDS)
        house.stopping.set()
        await house.closed()
        house.may_answer.set()
        said = await asyncio.wait_for(reader.read(), SECONDS)
        assert b"connection: close" in said.lower()
        assert said.endswith(BODY)
        await asyncio.wait_for(house.serving, SECONDS)
        writer.close()


async def test_a_request_that_waits_for_its_answer_is_told_with_it() -> None:
    async with open_house(notice=3600) as house:
        house.may_answer.clear()
        reader, writer = await house.enter()
        writer.write(GET)
        await asyncio.wait_for(house.asked.wait(), SECONDS)
        house.stopping.set()
        await asyncio.wait_for(house.leaving.wait(), SECONDS)
        house.may_answer.set()
        head, _ = await answer(reader)
        assert b"connection: close" in head
        assert await asyncio.wait_for(reader.read(), SECONDS) == b""
        writer.close()


@pytest.mark.parametrize("before", [GET, STREAM])
async def test_with_notice_a_client_that_comes_again_behind_the_door_is_answered(
    before: bytes,
) -> None:
    """Whether it was idle all the while, or was sent an answer that had begun before."""
    async with open_house(notice=0.01) as house:
        reader, writer = await house.enter()
        if before == STREAM:
            house.may_answer.clear()
        writer.write(before)
        await asyncio.wait_for(house.asked.wait(), SECONDS)
        if before == GET:
            await answer(reader)
        house.stopping.set()
        await house.closed()
        if before == STREAM:
            house.may_answer.set()
            head, _ = await answer(reader)
            assert b"connection: close" not in head
        writer.write(GET)
        head, body = await answer(reader)
        assert b"connection: close" in head
        assert body == BODY
        assert await asyncio.wait_for(reader.read(), SECONDS) == b""
        await asyncio.wait_for(house.serving, SECONDS)
        writer.close()


async def test_who_says_nothing_is_waited_for_no_longer_than_streams_are() -> None:
    async with open_house(notice=0.01, drain=1) as house:
        reader, writer = await house.enter()
        writer.write(GET)
        await answer(reader)
        house.stopping.set()
        assert await asyncio.wait_for(reader.read(), SECONDS) == b""
        await asyncio.wait_for(house.serving, SECONDS)
        writer.close()


async def test_without_notice_nobody_waits_for_who_says_nothing() -> None:
    async with open_house(notice=0) as house:
        reader, writer = await house.enter()
        writer.write(GET)
        await answer(reader)
        house.stopping.set()
        await asyncio.wait_for(house.serving, SECONDS)
        assert await asyncio.wait_for(reader.read(), SECONDS) == b""
        writer.close()
