"""What happens to every request before a route sees it."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Message, Scope

from shared.web import problem
from shared.web.middleware import BodyLimit, RequestContext


class Body(BaseModel):
    text: str


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problem.install(app)

    @app.post("/v1/parsed")
    async def parsed(body: Body) -> int:
        return len(body.text)

    @app.post("/v1/raw")
    @app.post("/v1/sources")
    @app.post("/v1/sources/{name}")
    @app.post("/v1/sourcesextra")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.get("/v1/id")
    async def identify(request: Request) -> str:
        return str(request.state.request_id)

    @app.get("/page")
    async def page() -> StreamingResponse:
        return StreamingResponse(iter(["x"]), headers={"Referrer-Policy": "origin"})

    app.add_middleware(BodyLimit, limit=100, larger={"/v1/sources": 1000})
    app.add_middleware(RequestContext)
    return app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def streamed(size: int) -> AsyncIterator[bytes]:
    """A body of which no length is declared."""
    for start in range(0, size, 10):
        yield b"x" * min(10, size - start)


async def streamed_json(size: int) -> AsyncIterator[bytes]:
    yield b'{"text": "'
    async for piece in streamed(size):
        yield piece
    yield b'"}'


class TestTheBodyLimit:
    async def test_lets_a_body_up_to_it_through(self, http: httpx.AsyncClient) -> None:
        assert (await http.post("/v1/raw", content=b"x" * 100)).json() == 100
        assert (await http.post("/v1/raw", content=streamed(100))).json() == 100

    @pytest.mark.parametrize("size", [101, 10**6])
    async def test_refuses_a_declared_body_beyond_it(
        self, http: httpx.AsyncClient, size: int
    ) -> None:
        answer = await http.post("/v1/raw", content=b"x" * size)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:minirag:problem:too-large")
        assert answer.json()["detail"] == "The body is larger than 100 bytes."

    async def test_refuses_a_streamed_body_as_soon_as_it_is_beyond_it(
        self, http: httpx.AsyncClient
    ) -> None:
        sent = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal sent
            async for piece in streamed(10_000):
                sent += len(piece)
                yield piece

        answer = await http.post("/v1/raw", content=counted())
        assert answer.status_code == 413
        assert sent <= 130

    async def test_refuses_a_streamed_body_that_is_parsed_the_same_way(
        self, http: httpx.AsyncClient
    ) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await http.post("/v1/parsed", content=streamed_json(10_000), headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:minirag:problem:too-large")

    @pytest.mark.parametrize(
        ("path", "size", "status"),
        [
            ("/v1/sources", 1000, 200),
            ("/v1/sources/", 1001, 413),
            ("/v1/sources", 1001, 413),
            ("/v1/sources/s1", 1000, 200),
            ("/v1/sources/s1", 1001, 413),
            ("/v1/sourcesextra", 101, 413),
        ],
    )
    async def test_is_larger_on_some_paths(
        self, http: httpx.AsyncClient, path: str, size: int, status: int
    ) -> None:
        assert (await http.post(path, content=b"x" * size)).status_code == status

    @pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "\u00b2", "1 0", "", "x"])
    async def test_does_not_believe_an_odd_length(self, app: FastAPI, length: str) -> None:
        assert await raw_status(app, [(b"content-length", length.encode("latin-1"))]) == 413

    async def test_is_told_with_request_id_and_security_headers(
        self, http: httpx.AsyncClient
    ) -> None:
        answer = await http.post("/v1/raw", content=b"x" * 101)
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert answer.headers["x-content-type-options"] == "nosniff"


class TestTheRequestId:
    @pytest.mark.parametrize("given", ["a", "Trace-1_b", "x" * 64])
    async def test_of_the_client_is_kept(self, http: httpx.AsyncClient, given: str) -> None:
        answer = await http.get("/v1/id", headers={"X-Request-Id": given})
        assert (answer.json(), answer.headers["x-request-id"]) == (given, given)

    @pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a.b", "<script>", "a\u00e9", "a>"])
    async def test_that_could_do_harm_is_replaced(
        self, http: httpx.AsyncClient, given: str
    ) -> None:
        answer = await http.get("/v1/id", headers=[(b"X-Request-Id", given.encode("latin-1"))])
        assert str(uuid.UUID(answer.json())) == answer.headers["x-request-id"] != given

    async def test_is_another_for_every_request(self, http: httpx.AsyncClient) -> None:
        found = {(await http.get("/v1/id")).json() for _ in range(5)}
        assert len(found) == 5


class TestSecurityHeaders:
    async def test_stand_on_every_answer(self, http: httpx.AsyncClient) -> None:
        for path in ("/v1/id", "/nowhere", "/page"):
            headers = (await http.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"]

    async def test_do_not_replace_what_a_route_says_itself(self, http: httpx.AsyncClient) -> None:
        assert (await http.get("/page")).headers["referrer-policy"] == "origin"

    async def test_keep_answers_of_the_interface_out_of_caches(
        self, http: httpx.AsyncClient
    ) -> None:
        assert (await http.get("/v1/id")).headers["cache-control"] == "no-store"
        assert "cache-control" not in (await http.get("/page")).headers


async def raw_status(app: Any, headers: list[tuple[bytes, bytes]]) -> int:
    """What the application answers to a request no client library would send."""
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/raw",
        "raw_path": b"/v1/raw",
        "query_string": b"",
        "headers": headers,
        "server": ("test", 80),
        "scheme": "http",
        "http_version": "1.1",
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return int(sent[0]["status"])
