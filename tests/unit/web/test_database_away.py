"""A database that is away is told as 503, whatever exception its driver makes of that."""

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError as PoolTimeout

from shared.web import problem


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("select", {}, Exception("terminating connection")),
        InterfaceError("select", {}, Exception("connection is closed")),
        PoolTimeout("no connection"),
        ConnectionRefusedError("refused"),
    ],
)
async def test_it_is_a_problem_that_may_be_tried_again(error: Exception) -> None:
    app = FastAPI()
    problem.install(app)

    @app.get("/")
    async def route() -> None:
        raise error

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        answer = await http.get("/")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:minirag:problem:unavailable"
    assert answer.headers["retry-after"] == "2"
    assert "select" not in answer.text
