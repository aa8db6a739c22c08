"""Routes are worked out before the first request, which would hold all others up for it."""

from typing import Any, cast

import fastapi.routing
import pytest
from fastapi import FastAPI
from starlette.routing import Match

from services.gateway.http.app import Limits, create_app, prepare_routes
from services.gateway.http.context import Gateway
from tests.unit.gateway.fakes import MemoryReplays

ASKED = {"type": "http", "method": "GET", "path": "/v1/sources", "root_path": "", "headers": []}


class WorkedOut(Exception):
    """A route was taken apart."""


@pytest.fixture
def app() -> FastAPI:
    return create_app(
        cast("Gateway", None),
        authenticator=cast("Any", None),
        replays=MemoryReplays(),
        limits=Limits(),
        allowed_origins=["*"],
    )


@pytest.fixture
def late(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """After whatever was to be worked out before."""

    def take_apart(*_args: Any, **_named: Any) -> None:
        raise WorkedOut

    monkeypatch.setattr(fastapi.routing, "get_dependant", take_apart)
    return app


def found(app: FastAPI) -> bool:
    return any(route.matches(dict(ASKED))[0] is Match.FULL for route in app.routes)


def test_the_first_request_would_wait_for_it(late: FastAPI) -> None:
    with pytest.raises(WorkedOut):
        found(late)


def test_the_first_request_finds_it_done(app: FastAPI, request: pytest.FixtureRequest) -> None:
    prepare_routes(app)
    request.getfixturevalue("late")
    assert found(app)
