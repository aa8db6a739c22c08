"""Routes are worked out before the first request, which would hold all others up for it."""

from typing import Any, cast

import fastapi.routing
import pytest
from fastapi import FastAPI
from starlette.routing import Match

from services.gateway.http import sources
from services.gateway.http.app import Limits, create_app
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
def unprepared() -> FastAPI:
    app = FastAPI()
    app.include_router(sources.router)
    return app


@pytest.fixture
def from_now_on(app: FastAPI, unprepared: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be worked out any more."""

    def take_apart(*_args: Any, **_named: Any) -> None:
        raise WorkedOut

    monkeypatch.setattr(fastapi.routing, "get_dependant", take_apart)


def found(app: FastAPI) -> bool:
    return any(route.matches(dict(ASKED))[0] is Match.FULL for route in app.routes)


@pytest.mark.usefixtures("from_now_on")
def test_the_first_request_would_wait_for_it(unprepared: FastAPI) -> None:
    with pytest.raises(WorkedOut):
        found(unprepared)


@pytest.mark.usefixtures("from_now_on")
def test_the_first_request_finds_it_done(app: FastAPI) -> None:
    assert found(app)
