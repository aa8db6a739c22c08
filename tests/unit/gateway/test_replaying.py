"""Requests that come again: what is kept, what is done anew, and by whom."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from services.gateway.http.idempotency import Idempotency, name_of
from services.gateway.ports import Principal
from shared.kernel.clock import utc_now
from shared.kernel.errors import InvalidCommand, Unavailable
from shared.web.problem import ProblemError
from tests.unit.gateway.fakes import MemoryReplays


class Application:
    """Answers with what it is told to, and notes with which seeds it was asked."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.seeds: list[bytes] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seeds.append(scope["state"].get("seed", b""))
        self.bodies.append(await Request(scope, receive).body())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        await answer(scope, receive, send)


class Client:
    """Sends one request through the middleware."""

    def __init__(self, application: Application, replays: MemoryReplays) -> None:
        self.application, self.replays = application, replays
        self._app = Idempotency(application, replays)

    async def post(
        self,
        body: bytes = b"{}",
        *,
        key: str | None = "k",
        method: str = "POST",
        content_type: str = "application/json",
        **state: Any,
    ) -> tuple[int, dict[str, str], bytes]:
        sent: list[Message] = []
        arriving = [
            {"type": "http.request", "body": body[:7], "more_body": True},
            {"type": "http.request", "body": body[7:], "more_body": False},
        ]

        async def receive() -> Message:
            if not arriving:
                await asyncio.Event().wait()  # the client stays
            return arriving.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(self.scope(key, method, content_type, **state), receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(m["body"] for m in sent[1:])

    def scope(
        self,
        key: str | None = "k",
        method: str = "POST",
        content_type: str = "application/json",
        **state: Any,
    ) -> dict[str, Any]:
        headers = [(b"content-type", content_type.encode())]
        if key is not None:
            headers.append((b"idempotency-key", key.encode("latin-1")))
        return {
            "type": "http",
            "method": method,
            "path": "/v1/things",
            "query_string": b"",
            "headers": headers,
            "state": {"request_id": "r", **state},
        }


def client(*answers: Response | Exception, largest: int = 1_000_000) -> Client:
    return Client(Application(*answers), MemoryReplays(largest))


def made(number: int, status: int = 201, **headers: str) -> Response:
    return JSONResponse({"made": number}, status, headers)


class TestKept:
    async def test_the_first_answer_comes_again(self) -> None:
        http = client(made(1, Location="/v1/things/1"))
        first, second = [await http.post() for _ in range(2)]
        assert (first[0], first[2]) == (second[0], second[2]) == (201, b'{"made":1}')
        assert second[1]["location"] == "/v1/things/1"
        assert second[1]["idempotency-replayed"] == "true"
        assert len(http.application.seeds) == 1

    async def test_a_refusal_comes_again(self) -> None:
        http = client(made(1, 409))
        assert [(await http.post())[0] for _ in range(2)] == [409, 409]

    async def test_the_body_still_reaches_the_route(self) -> None:
        http = client(made(1))
        await http.post(b'{"name": "something"}')
        assert http.application.bodies == [b'{"name": "something"}']

    async def test_another_body_is_refused(self) -> None:
        http = client(made(1))
        await http.post(b'{"a": 1}')
        with pytest.raises(ProblemError) as error:
            await http.post(b'{"a": 2}')
        assert error.value.code == "idempotency-key-reused"

    async def test_the_same_said_otherwise_is_the_same(self) -> None:
        http = client(made(1))
        for body in (b'{"a": 1, "b": 2}', b'{"b":2,"a":1}'):
            assert (await http.post(body))[2] == b'{"made":1}'

    async def test_nothing_is_kept_without_a_key_or_for_another_method(self) -> None:
        http = client(*(made(n) for n in range(4)))
        for _ in range(2):
            await http.post(key=None)
            await http.post(method="PATCH")
        assert http.replays.kept == {}

    async def test_nothing_is_kept_of_who_was_not_let_in(self) -> None:
        http = client(made(1, 401), made(2))
        assert (await http.post(refused=ValueError()))[0] == 401
        assert (await http.post())[0] == 201

    @pytest.mark.parametrize("key", ["", "k" * 256, "a\nb"])
    async def test_what_is_no_key_is_refused(self, key: str) -> None:
        with pytest.raises(InvalidCommand):
            await client().post(key=key)


class TestDoneAnew:
    @pytest.mark.parametrize(
        "first", [made(0, 500), made(0, 503), made(0, 429), made(0, 401), RuntimeError("bug")]
    )
    async def test_what_failed_is_done_anew_and_with_the_same_seed(
        self, first: Response | Exception
    ) -> None:
        http = client(first, made(2))
        if isinstance(first, Exception):
            with pytest.raises(RuntimeError):
                await http.post()
        else:
            assert (await http.post())[0] == first.status_code
        assert (await http.post())[0] == 201
        assert http.application.seeds[0] == http.application.seeds[1] != b""

    async def test_an_operation_that_runs_is_looked_at_anew(self) -> None:
        http = client(made(0, 202, Location="/v1/operations/7"), made(1))
        assert [(await http.post())[0] for _ in range(2)] == [202, 201]

    async def test_a_stream_is_done_anew_and_with_the_same_seed(self) -> None:
        def stream() -> Response:
            return StreamingResponse(iter([b"a", b"b"]), media_type="text/event-stream")

        http = client(stream(), stream())
        assert [(await http.post())[2] for _ in range(2)] == [b"ab", b"ab"]
        assert http.application.seeds[0] == http.application.seeds[1]
        with pytest.raises(ProblemError):
            await http.post(b'{"other": 1}')

    async def test_what_is_too_large_to_be_kept_is_done_anew(self) -> None:
        http = client(made(1), made(1), largest=3)
        assert [(await http.post())[2] for _ in range(2)] == [b'{"made":1}'] * 2
        assert http.application.seeds[0] == http.application.seeds[1]

    @pytest.mark.parametrize("seconds", [-1, 3600], ids=["has ended", "longer than any"])
    async def test_what_was_begun_by_a_dead_one_is_taken_over_with_its_seed(
        self, seconds: int
    ) -> None:
        """Also where it began before the clock was put back by an hour."""
        http = client(made(1), made(2))
        await http.post()
        ((name, (replay, revision)),) = http.replays.kept.items()
        begun = replay.model_copy(
            update={
                "status": None,
                "body": b"",
                "leased_until": utc_now() + timedelta(seconds=seconds),
            }
        )
        http.replays.kept[name] = (begun, revision)
        assert (await http.post())[2] == b'{"made":2}'
        assert http.application.seeds[0] == http.application.seeds[1]

    async def test_without_a_place_to_keep_it_nothing_is_begun(self) -> None:
        http = client(made(1))
        http.replays.away = True
        with pytest.raises(Unavailable):
            await http.post()
        assert http.application.seeds == []


class TestAtOnce:
    async def test_one_works_and_the_others_wait_for_its_answer(self) -> None:
        http = client(made(1))
        answers = await asyncio.gather(*(http.post() for _ in range(20)))
        assert {(status, body) for status, _, body in answers} == {(201, b'{"made":1}')}
        assert len(http.application.seeds) == 1


class TestForms:
    def form(self, boundary: str, text: str) -> dict[str, Any]:
        body = f'--{boundary}\r\nname="file"\r\n\r\n{text}\r\n--{boundary}--\r\n'
        return {
            "body": body.encode(),
            "content_type": f"multipart/form-data; boundary={boundary}",
        }

    async def test_a_form_is_the_same_whatever_its_boundary(self) -> None:
        http = client(made(1))
        for boundary in ("abcdefghij", "0123456789", "q"):
            answer = await http.post(**self.form(boundary, "text"))
            assert answer[2] == b'{"made":1}'
        with pytest.raises(ProblemError):
            await http.post(**self.form("abcdefghij", "other"))


class TestNames:
    def principal(self, **fields: Any) -> Principal:
        return Principal(
            **{"kind": "token", "id": "t1", "tenant_id": "t", "user_id": "u", **fields}
        )

    def test_every_caller_and_route_has_its_own(self) -> None:
        http = client()
        scopes = [
            http.scope(),
            http.scope(principal=self.principal()),
            http.scope(principal=self.principal(id="t2")),
            http.scope(principal=self.principal(tenant_id="other")),
            http.scope(principal=self.principal(kind="visitor", id="v1")),
            http.scope(principal=self.principal(kind="visitor", id="v2")),
            {**http.scope(), "path": "/v1/others"},
            {**http.scope(), "query_string": b"a=1"},
        ]
        names = {name_of(scope, "k") for scope in scopes} | {name_of(http.scope(), "other")}
        assert len(names) == len(scopes) + 1

    def test_a_new_login_of_the_same_user_is_the_same_caller(self) -> None:
        http = client()
        sessions = [self.principal(kind="session", id=one) for one in ("s1", "s2")]
        names = {name_of(http.scope(principal=one), "k") for one in sessions}
        assert len(names) == 1
