"""What is refused before it is a request, what is not, and that the connection goes on after it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from typing_extensions import override

from services.gateway.http.callers import Callers
from services.gateway.http.fairness import Fairness, Lines
from services.gateway.http.leaving import CLOSE
from services.gateway.http.refusals import Refusals
from services.gateway.http.turnstile import turnstile
from shared.kernel.precedence import Precedence
from shared.web.places import BURST, Place, Places

GET = b"GET %s HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %s\r\n%s\r\n"
PATH = b"/v1/sources"

Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Full(Places):
    """As long as the test says so."""

    now = 0.0

    def __init__(self, most: int) -> None:
        super().__init__(most, always=1, clock=lambda: self.now)
        self._waiting: list[asyncio.Task[Place | None]] = []

    async def fill(self, owner: str) -> None:
        """One works, and one waits longer than a burst does."""
        for _ in range(2):
            self._waiting.append(asyncio.create_task(self.take(owner)))
            await asyncio.sleep(0)
        self.now += 2 * BURST

    def clear(self) -> None:
        for task in self._waiting:
            task.cancel()


class Server(uvicorn.Server):
    """Tells once it listens."""

    @override
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()


class Desk:
    """A server with a line that is full, and a client of it."""

    def __init__(self, server: Server, talk: Talk) -> None:
        self.server = server
        self.asked: list[str] = []
        self._reader, self._writer = talk

    async def ask(
        self, path: bytes = PATH, credential: bytes = b"one", more: bytes = b"", body: bytes = b""
    ) -> int:
        self.send(GET % (path, credential, more) + body)
        return (await self.answer())[0]

    def send(self, text: bytes) -> None:
        self._writer.write(text)

    async def answer(self) -> tuple[int, dict[bytes, bytes], bytes]:
        async with asyncio.timeout(60):
            head = (await self._reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            pairs = (line.partition(b": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await self._reader.readexactly(int(headers[b"content-length"]))
        return int(head[0].split()[1]), headers, body


@asynccontextmanager
async def full(*, trusted: str = "", fair: bool = False) -> AsyncIterator[Desk]:
    """`trusted` are proxies; with `fair`, what goes the usual way stands in the same line."""
    callers = Callers()
    callers.note(_scope(b"one"), "t1")
    callers.note(_scope(b"two"), "t2")
    places: list[Full] = []

    def made(most: int) -> Places:
        places.append(Full(most))
        return places[-1]

    refusals = Refusals(["https://a.example"], ["Retry-After"], later=lambda _tell: None)
    lines = Lines(callers, refusals, {"reads": 2}, (), made)
    desk: list[Desk] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        )
        await send({"type": "http.response.body", "body": b"ok"})

    inside = Fairness(app, lines, Precedence()) if fair else app

    async def usual(scope: Any, receive: Any, send: Any) -> None:
        desk[0].asked.append(scope["path"])
        await inside(scope, receive, send)

    config = uvicorn.Config(
        usual,
        http=turnstile(lines, trusted),
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
        port=0,
        log_config=None,
        lifespan="off",
    )
    server = Server(config)
    serving = asyncio.create_task(server._serve())  # serve() would take the signals of the test run
    await asyncio.wait_for(server.listens.wait(), 60)
    port = int(server.servers[0].sockets[0].getsockname()[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    desk.append(Desk(server, (reader, writer)))
    await places[0].fill("t1")
    try:
        yield desk[0]
    finally:
        places[0].clear()
        writer.close()
        server.should_exit = True
        await serving


def _scope(credential: bytes) -> dict[str, Any]:
    return {"state": {}, "headers": [(b"authorization", b"Bearer " + credential)]}


async def test_a_read_that_is_too_much_is_told_to_come_back_and_asks_nobody() -> None:
    async with full() as desk:
        desk.send(GET % (PATH + b"?limit=5", b"one", b"x-request-id: mine\r\n"))
        status, headers, body = await desk.answer()
        assert status == 503
        assert int(headers[b"retry-after"]) > 0
        assert headers[b"content-type"] == b"application/problem+json"
        assert headers[b"x-request-id"] == b"mine"
        assert b"date" in headers
        told = json.loads(body)
        assert (told["instance"], told["request_id"]) == ("/v1/sources", "mine")
        assert desk.asked == []


async def test_the_connection_goes_on_after_it_for_whoever_else_uses_it() -> None:
    async with full() as desk:
        assert [await desk.ask() for _ in range(3)] == [503, 503, 503]
        assert await desk.ask(credential=b"two") == 200
        assert await desk.ask() == 503


async def test_requests_in_one_piece_are_answered_in_their_order() -> None:
    async with full() as desk:
        one, two = (GET % (PATH, credential, b"") for credential in (b"one", b"two"))
        desk.send(one + two + one + one)
        # What comes behind one that is under way waits for it, and goes the usual way.
        assert [(await desk.answer())[0] for _ in range(4)] == [503, 200, 200, 200]


@pytest.mark.parametrize(
    ("path", "credential", "more", "body"),
    [
        (PATH, b"two", b"", b""),
        (PATH, b"nobody-knows-it", b"", b""),
        (b"/v1/system/health", b"one", b"", b""),
        (b"/v1/%73ources", b"one", b"", b""),
        (PATH, b"one", b"connection: close\r\n", b""),
        (PATH, b"one", b"content-length: 2\r\n", b"hi"),
        (PATH, b"one", b"transfer-encoding: chunked\r\n", b"2\r\nhi\r\n0\r\n\r\n"),
    ],
    ids=["another tenant", "unknown", "health", "escaped", "closing", "a body", "a chunked body"],
)
async def test_these_go_the_usual_way(
    path: bytes, credential: bytes, more: bytes, body: bytes
) -> None:
    async with full() as desk:
        assert await desk.ask(path, credential, more, body) == 200
        assert len(desk.asked) == 1


async def test_a_write_goes_the_usual_way() -> None:
    async with full() as desk:
        desk.send((GET % (PATH, b"one", b"content-length: 0\r\n")).replace(b"GET", b"POST", 1))
        assert (await desk.answer())[0] == 200


async def test_nobody_is_kept_by_it_once_the_server_leaves() -> None:
    async with full() as desk:
        state = desk.server.server_state
        state.default_headers = [*state.default_headers, CLOSE]
        desk.send(GET % (PATH, b"one", b""))
        status, headers, _ = await desk.answer()
        assert (status, headers[b"connection"]) == (200, b"close")


@pytest.mark.parametrize("more", [b"", b"origin: https://a.example\r\n"], ids=["", "of a page"])
@pytest.mark.parametrize("scheme", [b"https", b"http", b"", b"gopher"])
@pytest.mark.parametrize("trusted", ["127.0.0.0/8", "192.0.2.0/24", ""])
async def test_a_refusal_has_the_headers_that_it_has_the_usual_way(
    trusted: str, scheme: bytes, more: bytes
) -> None:
    if scheme:
        more += b"x-forwarded-for: 198.51.100.7\r\nx-forwarded-proto: " + scheme + b"\r\n"
    async with full(trusted=trusted, fair=True) as desk:
        told = []
        for path in (PATH, b"/v1/%73ources"):
            desk.send(GET % (path, b"one", more))
            status, headers, _ = await desk.answer()
            assert status == 503
            told.append(headers)
        assert len(desk.asked) == 1, "only one went the usual way"
    early, usual = told
    assert sorted(early) == sorted(usual)
    strict = b"strict-transport-security"
    assert early.get(strict) == usual.get(strict)
    assert (strict in early) == (scheme == b"https" and trusted.startswith("127."))
