"""Who leaves goes on to answer for a while, and says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from services.gateway.http.leaving import Door
from shared.embedded.ports import LOOPBACK, first_free
from tests.eventually import eventually

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
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

    async def enter(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOOPBACK, self.port)


@asynccontextmanager
async def open_house(notice: float) -> AsyncIterator[House]:
    may_answer, asked = asyncio.Event(), asyncio.Event()
    may_answer.set()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        asked.set()
        await may_answer.wait()
        length = [(b"content-length", b"%d" % len(BODY))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": BODY})

    stopping, leaving = asyncio.Event(), asyncio.Event()
    port = first_free(32_600, LOOPBACK)
    config = uvicorn.Config(
        app, host=LOOPBACK, port=port, log_config=None, access_log=False, lifespan="off"
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

        async def closed() -> None:
            try:
                _, late = await house.enter()
            except ConnectionRefusedError:
                return
            late.close()
            raise AssertionError("the door is open")

        await eventually(closed, SECONDS)
        house.may_answer.set()
        said = await asyncio.wait_for(reader.read(), SECONDS)
        assert b"connection: close" in said.lower()
        assert said.endswith(BODY)
        await asyncio.wait_for(house.serving, SECONDS)
        writer.close()
