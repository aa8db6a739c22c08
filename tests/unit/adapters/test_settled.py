"""What a projector need not do again, and how long it waits to know."""

import asyncio

from shared.adapters.settled import Settled
from shared.contracts.ingest import SourceDeleted
from tests.unit.samples import recorded

DELETED = SourceDeleted(source_id="s1", bot_profile_id="b1")
FIRST, SECOND = recorded(DELETED, 1), recorded(DELETED, 2)


PATIENT = 3600.0
"""Whoever does not hear of what he waits for hangs."""


async def test_all_of_a_batch_must_be_in() -> None:
    known = Settled()
    known.add([FIRST])
    assert await known.hold([FIRST])
    assert not await known.hold([FIRST, SECOND])
    known.add([SECOND])
    assert await known.hold([FIRST, SECOND])


async def test_nothing_is_known_of_a_database_that_is_another() -> None:
    known = Settled()
    known.add([FIRST])
    known.clear()
    assert not await known.hold([FIRST])


async def test_handlers_at_work_are_waited_for() -> None:
    known = Settled(PATIENT)
    async with asyncio.TaskGroup() as tasks:
        with known.deciding(), known.deciding():
            asking = tasks.create_task(known.hold([FIRST, SECOND]))
            for record in (FIRST, SECOND):
                await asyncio.sleep(0)
                assert not asking.done()
                known.add([record])
            assert await asking


async def test_handlers_that_come_to_nothing_are_not_waited_for_any_longer() -> None:
    known = Settled(PATIENT)
    async with asyncio.TaskGroup() as tasks:
        with known.deciding():
            asking = tasks.create_task(known.hold([FIRST]))
            await asyncio.sleep(0)
            assert not asking.done()
        assert not await asking


async def test_a_handler_that_takes_long_is_not_waited_for() -> None:
    known = Settled(patience=0.001)
    with known.deciding():
        assert not await known.hold([FIRST])
