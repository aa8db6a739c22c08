"""Every error reaches the client as a problem document, and no refusal is forgotten."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from shared.kernel import errors
from shared.kernel.errors import MiniRagError, Refused
from shared.web import problem
from shared.web.middleware import RequestContext
from shared.web.problem import MEDIA_TYPE, STATUS, ProblemError, responses, status_of

SECRET = "postgres://minirag:hunter2@db"
CASES: list[tuple[MiniRagError, int, str]] = [
    (errors.NotAuthenticated("no"), 401, "not-authenticated"),
    (errors.NotPermitted("no"), 403, "not-permitted"),
    (errors.NotFound("no"), 404, "not-found"),
    (errors.Conflict("no"), 409, "conflict"),
    (errors.TooLarge("no"), 413, "too-large"),
    (errors.InvalidCommand("no"), 422, "invalid"),
    (errors.QuotaExceeded("no"), 429, "quota-exceeded"),
    (Refused("no"), 400, "refused"),
    (errors.Unavailable("no"), 503, "unavailable"),
    (errors.Unknown("no"), 503, "unavailable"),
]


class Body(BaseModel):
    name: Annotated[str, Field(max_length=5)]
    count: int = 0


class Raiser:
    """An application whose one route raises what it is told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.app = FastAPI()
        problem.install(self.app)
        self.app.add_middleware(CORSMiddleware, allow_origins=["*"])
        self.app.add_middleware(RequestContext)

        @self.app.get("/v1/thing")
        async def thing() -> None:
            if self.error is not None:
                raise self.error

        @self.app.post("/v1/things")
        async def things(body: Body) -> Body:
            return body

    async def get(self, error: Exception) -> httpx.Response:
        self.error = error
        return await self.request("GET", "/v1/thing", headers={"Origin": "https://shop.example"})

    async def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.request(method, path, **kwargs)


@pytest.fixture
def raiser() -> Raiser:
    return Raiser()


def document(response: httpx.Response) -> Mapping[str, Any]:
    assert response.headers["content-type"] == MEDIA_TYPE
    found: Mapping[str, Any] = response.json()
    return found


class TestErrorsOfOurs:
    @pytest.mark.parametrize(("error", "status", "code"), CASES, ids=lambda v: type(v).__name__)
    async def test_have_their_status_and_a_stable_type(
        self, raiser: Raiser, error: MiniRagError, status: int, code: str
    ) -> None:
        response = await raiser.get(error)
        found = document(response)
        assert response.status_code == found["status"] == status
        assert found["type"] == f"urn:minirag:problem:{code}"
        assert found["detail"] == "no"
        assert found["instance"] == "/v1/thing"
        assert found["title"]
        assert found["request_id"] == response.headers["x-request-id"]
        assert "field" not in found

    def test_no_refusal_is_forgotten(self) -> None:
        told = {type(error) for error, _, _ in CASES if isinstance(error, Refused)}
        assert told == {Refused, *Refused.__subclasses__()}
        assert set(Refused.__subclasses__()) <= set(STATUS)

    async def test_name_the_field_at_fault(self, raiser: Raiser) -> None:
        found = document(await raiser.get(errors.InvalidCommand("no", field="config.url")))
        assert found["field"] == "config.url"

    async def test_say_how_to_authenticate_and_when_to_come_again(self, raiser: Raiser) -> None:
        asked = await raiser.get(errors.NotAuthenticated("no"))
        assert asked.headers["www-authenticate"] == "Bearer"
        for error in (errors.Unavailable("no"), errors.QuotaExceeded("no")):
            assert int((await raiser.get(error)).headers["retry-after"]) > 0
        assert "retry-after" not in (await raiser.get(errors.Conflict("no"))).headers

    def test_a_subclass_has_the_status_of_its_nearest_kind(self) -> None:
        class Blocked(errors.InvalidCommand):
            pass

        assert status_of(Blocked("no")) == 422
        assert status_of(errors.Unusable("no")) == 500

    async def test_a_stale_version_tells_nothing_of_itself(self, raiser: Raiser) -> None:
        response = await raiser.get(errors.Unusable(SECRET))
        assert response.status_code == 500
        assert SECRET not in response.text

    async def test_with_a_status_of_their_own_keep_it(self, raiser: Raiser) -> None:
        error = ProblemError(502, "llm_failed", "The model failed.", {"Retry-After": "7"})
        response = await raiser.get(error)
        assert (response.status_code, response.headers["retry-after"]) == (502, "7")
        assert document(response)["type"] == "urn:minirag:problem:llm_failed"


class TestBugs:
    @pytest.mark.parametrize("error", [RuntimeError(SECRET), KeyError(SECRET), ValueError(SECRET)])
    async def test_are_told_to_the_log_and_not_to_the_client(
        self, raiser: Raiser, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        with caplog.at_level(logging.ERROR):
            response = await raiser.get(error)
        found = document(response)
        assert (response.status_code, found["type"]) == (500, "urn:minirag:problem:internal")
        assert SECRET not in response.text
        assert [record.exc_info for record in caplog.records if record.exc_info]

    async def test_can_be_read_by_a_page_of_another_site_and_found_in_the_log(
        self, raiser: Raiser
    ) -> None:
        response = await raiser.get(RuntimeError("bug"))
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["x-request-id"] == document(response)["request_id"]
        assert response.headers["x-content-type-options"] == "nosniff"


class TestInvalidRequests:
    async def test_keep_the_list_that_clients_read_and_name_the_first_field(
        self, raiser: Raiser
    ) -> None:
        response = await raiser.request("POST", "/v1/things", json={"name": "far too long"})
        found = document(response)
        assert (response.status_code, found["field"]) == (422, "name")
        assert found["detail"][0]["loc"] == ["body", "name"]
        assert {"type", "loc", "msg", "input"} <= set(found["detail"][0])

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"\xff\xfe",
            b'{"name": "\\ud800"}',
            b'{"name": "\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000"}',
            b'{"name": 100000000000000000000000000000000000000}',
            b'{"name": ["' + b"x" * 1000 + b'"]}',
            b'{"name": NaN}',
            b'{"name": {"a": Infinity}}',
            b'{"name": 1e400}',
            b'{"name": "a", "count": "x"}',
            b'{"name": "a", "count": 1.5}',
            b'{"name": ' + b"[" * 300 + b"]" * 300 + b"}",
            b"[" * 20_000,
        ],
        ids=lambda body: str(body[:24]),
    )
    async def test_of_any_making_are_refused_and_never_a_failure_of_ours(
        self, raiser: Raiser, body: bytes
    ) -> None:
        headers = {"Content-Type": "application/json"}
        response = await raiser.request("POST", "/v1/things", content=body, headers=headers)
        assert 400 <= response.status_code < 500, response.text
        assert document(response)["status"] == response.status_code

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/nowhere", 404, "not-found"),
            ("DELETE", "/v1/thing", 405, "method-not-allowed"),
        ],
    )
    async def test_to_what_is_not_there_are_problems_too(
        self, raiser: Raiser, method: str, path: str, status: int, code: str
    ) -> None:
        response = await raiser.request(method, path)
        assert response.status_code == status
        assert document(response)["type"] == f"urn:minirag:problem:{code}"

    async def test_of_the_framework_keep_headers(self, raiser: Raiser) -> None:
        response = await raiser.get(HTTPException(418, "Tea", {"X-Tea": "green"}))
        assert (response.status_code, response.headers["x-tea"]) == (418, "green")


def test_a_route_tells_the_refusals_it_can_give() -> None:
    found = responses(errors.NotFound, errors.Conflict)
    assert set(found) == {404, 409}
    assert MEDIA_TYPE in found[404]["content"]


async def test_a_request_that_is_cut_off_as_its_process_ends_is_told_to_come_again() -> None:
    app = FastAPI()
    problem.install(app)
    reached = asyncio.Event()

    @app.get("/v1/thing")
    async def thing() -> None:
        reached.set()
        await asyncio.Event().wait()

    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/thing",
        "query_string": b"",
        "headers": [],
    }
    request = asyncio.create_task(app(scope, receive, send))
    await reached.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"2") in sent[0]["headers"]
    assert b"urn:minirag:problem:unavailable" in sent[1]["body"]
