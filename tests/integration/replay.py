"""Facts without a log, read models with schemas of their own, and what both must come to."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.beside import StoreBeside
from shared.adapters.projector import project
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.gateway_erasure import ErasureRequested, ErasureTold
from shared.kernel.ids import derived_id, new_id
from tests.bank.messages import metadata
from tests.bank.rows import rows


def recorded(tenant_id: str, *events: Event, first: int = 1) -> list[Recorded[Event]]:
    """`events` as they would stand in a log, a minute and a few sequences apart."""
    found = []
    for n, event in enumerate(events):
        meta = metadata(tenant_id, derived_id("command", tenant_id, str(n)))
        meta = meta.model_copy(update={"now": meta.now + timedelta(minutes=n)})
        found.append(Recorded(event, meta, derived_id("event", meta.message_id), first + 3 * n))
    return found


@asynccontextmanager
async def fresh(engine: AsyncEngine, model: ReadModel) -> AsyncIterator[ReadModelStore]:
    """An empty copy of a read model in a schema of its own, gone in the end."""
    store = ReadModelStore(engine, replace(model, name=f"{model.name}_{new_id()[:8]}"))
    await store.create("test")
    try:
        yield store
    finally:
        await store.drop()


async def replay(
    store: ReadModelStore, records: Sequence[Recorded[Event]], *, chunk: int = 500
) -> None:
    """As the projector does it: rows and checkpoint together, so many events at a time."""
    position = await store.position()
    for start in range(0, len(records), chunk):
        moved = await project(store, records[start : start + chunk], position)
        assert moved is not None
        position = moved


async def handle(store: ReadModelStore, records: Sequence[Recorded[Event]]) -> None:
    """As a command handler does it: at once, and only what the model owns."""
    for record in records:
        if record.event.aggregate in store.model.owns:
            async with store.writing() as db:
                await store.apply(db, [record])


class ProjectionContract:
    """What holds for every projection. Provide `model` and `events`; assert rows by queries."""

    @pytest.fixture
    async def store(self, engine: AsyncEngine, model: ReadModel) -> AsyncIterator[ReadModelStore]:
        async with fresh(engine, model) as made:
            yield made

    @pytest.fixture
    def past(self, tenant_id: str, events: Sequence[Event]) -> list[Recorded[Event]]:
        return recorded(tenant_id, *events)

    @pytest.fixture
    async def expected(
        self, engine: AsyncEngine, model: ReadModel, past: list[Recorded[Event]]
    ) -> dict[str, list[str]]:
        """Rows of one undisturbed replay."""
        async with fresh(engine, model) as undisturbed:
            await replay(undisturbed, past)
            found = await rows(undisturbed, past[0].tenant_id, leave_out=DIFFERENT_ON_PURPOSE)
            assert any(found.values())
            return found

    @pytest.mark.parametrize("chunk", [1, 2, 4])
    async def test_comes_out_the_same_in_any_chunks(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        expected: dict[str, list[str]],
        chunk: int,
    ) -> None:
        await replay(store, past, chunk=chunk)
        assert await rows(store, past[0].tenant_id, leave_out=DIFFERENT_ON_PURPOSE) == expected

    async def test_made_anew_it_comes_out_the_same(
        self,
        engine: AsyncEngine,
        model: ReadModel,
        past: list[Recorded[Event]],
        expected: dict[str, list[str]],
    ) -> None:
        named = replace(model, name=f"{model.name}_{new_id()[:8]}")
        beside = StoreBeside(engine, named, remembered=1)
        await beside.create("test")
        try:
            await replay(beside, past, chunk=2)
            found = await rows(beside, past[0].tenant_id, leave_out=DIFFERENT_ON_PURPOSE)
            assert found == expected
        finally:
            await beside.drop()

    async def test_redelivery_changes_nothing(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        expected: dict[str, list[str]],
    ) -> None:
        await replay(store, past, chunk=2)
        await handle(store, past)
        await handle(store, past[::-1])
        for position in (0, past[0].sequence):
            assert await project(store, past, position) is None
        assert await rows(store, past[0].tenant_id, leave_out=DIFFERENT_ON_PURPOSE) == expected

    @pytest.mark.parametrize("handled", [1, 3, 500])
    async def test_what_a_command_handler_wrote_first_is_written_once(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        expected: dict[str, list[str]],
        handled: int,
    ) -> None:
        await handle(store, past[:handled])
        await replay(store, past, chunk=3)
        assert await rows(store, past[0].tenant_id, leave_out=DIFFERENT_ON_PURPOSE) == expected

    async def test_the_same_ids_of_another_tenant_are_others(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        events: Sequence[Event],
        expected: dict[str, list[str]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        theirs = recorded(other_tenant_id, *self.of_another_tenant(events), first=2)
        await replay(store, sorted([*past, *theirs], key=lambda r: r.sequence), chunk=3)
        assert await rows(store, tenant_id, leave_out=DIFFERENT_ON_PURPOSE) == expected
        of_theirs = await rows(store, other_tenant_id, leave_out=DIFFERENT_ON_PURPOSE)
        assert {name: len(found) for name, found in of_theirs.items()} == {
            name: len(found) for name, found in expected.items()
        }

    @pytest.mark.parametrize("chunk", [2, 500])
    async def test_nothing_is_left_of_a_tenant_that_is_erased(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        events: Sequence[Event],
        expected: dict[str, list[str]],
        tenant_id: str,
        other_tenant_id: str,
        chunk: int,
    ) -> None:
        theirs = recorded(other_tenant_id, *self.of_another_tenant(events), first=2)
        about = {"erasure_id": tenant_id, "kind": "tenant", "subject_id": tenant_id}
        asked, told = ErasureRequested.model_validate(about), ErasureTold.model_validate(about)
        end = recorded(tenant_id, asked, told, first=past[-1].sequence + 2)
        await replay(store, sorted([*past, *theirs, *end], key=lambda r: r.sequence), chunk=chunk)
        left = await rows(store, tenant_id, leave_out=DIFFERENT_ON_PURPOSE)
        receipts = {"aggregates", "erasures"} if "erasure" in store.model.owns else set()
        assert {name for name, found in left.items() if found} <= receipts
        of_theirs = await rows(store, other_tenant_id, leave_out=DIFFERENT_ON_PURPOSE)
        assert {name: len(found) for name, found in of_theirs.items()} == {
            name: len(found) for name, found in expected.items()
        }

    def of_another_tenant(self, events: Sequence[Event]) -> Sequence[Event]:
        """The same facts, but for what is unique across tenants."""
        return events


DIFFERENT_ON_PURPOSE = ("collections",)
"""Every copy of the retrieval index has vector indexes of its own."""
