"""What installations of earlier versions have in their logs, read and projected by this one."""

from collections.abc import Callable
from importlib import import_module

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.envelope import Codec
from shared.adapters.read_model import ReadModel
from shared.contracts.base import Event, Recorded
from shared.kernel.registry import REGISTRY
from shared.runtime.process import SERVICES
from tests.integration.replay import fresh, replay
from tests.upgrade.record import recorded, released


class NoKeys:
    """The recorded examples are not sealed."""

    async def data_key(self, _tenant_id: str, _subject: str, *, create: bool) -> bytes | None:
        raise AssertionError(create)

    async def tenant_key(self, _tenant_id: str) -> bytes | None:
        return bytes(32)


@pytest.fixture
async def past() -> list[Recorded[Event]]:
    codec = Codec(NoKeys(), REGISTRY)
    return [await codec.recorded(one.sequence, one.headers, one.data) for one in recorded()]


MODELS = [
    pytest.param(model, id=model.schema)
    for service in SERVICES
    for model in vars(import_module(f"services.{service}.main")).values()
    if isinstance(model, ReadModel)
]


def test_every_event_type_that_was_ever_released_is_recorded() -> None:
    """If not: `python -m tests.upgrade.record`."""
    assert {one.headers["ce-type"] for one in recorded()} == set(released())


@pytest.mark.parametrize("model", MODELS)
async def test_a_read_model_takes_every_event_of_every_version(
    engines: Callable[[str], AsyncEngine], model: ReadModel, past: list[Recorded[Event]]
) -> None:
    wanted = {tuple(subject.split(".")[2::2]) for subject in model.subjects}
    mine = [
        one
        for one in past
        if {(one.event.aggregate, "*"), (one.event.aggregate, one.event.name)} & wanted
    ]
    assert mine
    async with fresh(engines(model.service), model) as store:
        await replay(store, mine, chunk=1)
        assert await store.position() == mine[-1].sequence
