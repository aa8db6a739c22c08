"""The list of sources: what a replay makes of the facts, however it is cut, and how it is read."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.main import SOURCES
from services.ingest.projections.sources import first_row
from services.ingest.queries.sources import AsMade, SourceQueries
from shared.adapters.projector import project
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Metadata, Recorded, SortKey
from shared.contracts.ingest import (
    BotSources,
    ChildrenIngestionRequested,
    CountChildren,
    CountSources,
    GetSource,
    GetTimeline,
    IngestionRequested,
    IngestionStarted,
    ListSources,
    SourceCreated,
    SourceDeleted,
    SourceFailed,
    SourceIngested,
    SourceSettings,
    SourceTotals,
    SourceUnchanged,
    SourceUpdated,
    SourceView,
)
from shared.kernel.errors import NotFound
from shared.kernel.ids import derived_id, new_id
from tests.integration.listed import listed

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(engines: Callable[[str], AsyncEngine]) -> AsyncIterator[ReadModelStore]:
    model = replace(SOURCES, name=f"sources_{new_id()[:8]}")
    made = ReadModelStore(engines("ingest"), model)
    await made.create("test")
    yield made
    await made.drop()


@pytest.fixture
def queries(store: ReadModelStore) -> SourceQueries:
    return SourceQueries(store)


def meta(tenant_id: str, n: int = 0) -> Metadata:
    command = derived_id("command", tenant_id, str(n))
    at = T0 + timedelta(minutes=n)
    return Metadata(tenant_id=tenant_id, message_id=command, correlation_id=command, now=at)


def records(tenant_id: str, events: Sequence[Event], first: int = 1) -> list[Recorded[Event]]:
    return [
        Recorded(event, meta(tenant_id, n), derived_id("event", tenant_id, str(n)), first + 2 * n)
        for n, event in enumerate(events)
    ]


def created(source: str, **fields: Any) -> SourceCreated:
    settings = SourceSettings(name=source, **fields.pop("settings", {}))
    shape = {"bot_profile_id": "b1", "source_type": "text", **fields}
    return SourceCreated(source_id=source, settings=settings, **shape)


def ran(source: str, end: Event) -> list[Event]:
    return [
        IngestionRequested(source_id=source, run_id="r"),
        IngestionStarted(source_id=source, run_id="r", attempt=1),
        end,
    ]


def ingested(source: str, chunks: int, revision: int = 1) -> SourceIngested:
    return SourceIngested(
        source_id=source,
        run_id="r",
        revision=revision,
        source_name=source,
        document_count=1,
        chunk_count=chunks,
    )


HISTORY: list[Event] = [
    created("p"),
    created("c1", parent_id="p"),
    created("c2", parent_id="p"),
    created("c3", parent_id="p"),
    created("n", source_type="nyxcore", settings={"config": {"limit": 5}, "token_ref": "t"}),
    created("x", bot_profile_id="b2"),
    ChildrenIngestionRequested(source_id="p"),
    *ran("c1", ingested("c1", 3)),
    *ran("c2", SourceFailed(source_id="c2", run_id="r", reason="It rains")),
    *ran("n", ingested("n", 12, revision=0)),
    SourceUpdated(
        source_id="x",
        bot_profile_id="b2",
        settings=SourceSettings(name="X", is_active=False, refresh_schedule="daily"),
    ),
    SourceDeleted(source_id="c3", bot_profile_id="b1", parent_id="p"),
    *ran("c1", SourceUnchanged(source_id="c1", run_id="r")),
]


async def shown(queries: SourceQueries, tenant_id: str) -> dict[str, SourceView]:
    names = ("p", "c1", "c2", "c3", "n", "x")
    return {
        name: await queries.get_source(GetSource(source_id=name), meta(tenant_id)) for name in names
    }


@pytest.mark.parametrize("chunk", [1, 2, 5, 500])
async def test_a_replay_comes_out_the_same_in_any_chunks_and_with_redelivery(
    store: ReadModelStore,
    queries: SourceQueries,
    tenant_id: str,
    other_tenant_id: str,
    chunk: int,
) -> None:
    past = records(tenant_id, HISTORY)
    theirs = records(other_tenant_id, HISTORY, first=2)
    both = sorted([*past, *theirs], key=lambda one: one.sequence)
    position = 0
    for start in range(0, len(both), chunk):
        moved = await project(store, both[start : start + chunk], position)
        assert moved is not None
        position = moved
    async with store.writing() as db:
        await store.apply(db, past)  # as a command handler does, too late
    found = await shown(queries, tenant_id)
    assert {name: one.status for name, one in found.items()} == {
        "p": "error",
        "c1": "ready",
        "c2": "error",
        "c3": "pending",
        "n": "ready",
        "x": "pending",
    }
    assert (found["p"].children_count, found["p"].chunk_count) == (2, 3)
    assert found["c2"].error_message == "It rains"
    assert [found[name].is_active for name in ("c3", "x", "c1")] == [False, False, True]
    assert found["n"].config == {"limit": 5, "has_api_token": True}
    assert (found["n"].document_count, found["n"].chunk_count) == (1, 12)
    assert (found["x"].name, found["x"].refresh_schedule) == ("X", "daily")
    timeline = await queries.get_timeline(GetTimeline(source_id="c1"), meta(tenant_id))
    assert [entry.event for entry in timeline.items][-2:] == [
        "source.ingestion_started",
        "source.unchanged",
    ]
    assert found == {
        name: one.model_copy(update={"tenant_id": tenant_id})
        for name, one in (await shown(queries, other_tenant_id)).items()
    }


async def test_lists_show_what_is_active_at_its_level(
    store: ReadModelStore, queries: SourceQueries, tenant_id: str
) -> None:
    await project(store, records(tenant_id, HISTORY), 0)

    async def ids(**wanted: Any) -> list[str]:
        found = await listed(queries, ListSources(**wanted), meta(tenant_id))
        assert found.following is None
        return [one.id for one in found.items]

    assert await ids() == ["n", "p"]
    assert await ids(flat=True) == ["n", "c2", "c1", "p"]
    assert await ids(parent_id="p") == ["c2", "c1"]
    assert await ids(parent_id="p", oldest_first=True) == ["c1", "c2"]
    assert await ids(bot_profile_id="b2") == []
    assert await queries.children_of(tenant_id, "p") == ["c1", "c2"]
    count = await queries.count_children(CountChildren(source_id="p"), meta(tenant_id))
    assert count.idle == 2
    with pytest.raises(NotFound):
        await queries.count_children(CountChildren(source_id="none"), meta(tenant_id))


async def test_sources_are_counted_by_status_and_by_bot(
    store: ReadModelStore, queries: SourceQueries, tenant_id: str, other_tenant_id: str
) -> None:
    await project(store, records(tenant_id, HISTORY), 0)
    count = await queries.count_sources(CountSources(), meta(tenant_id))
    assert count.by_status == {"pending": 3, "ready": 2, "error": 1}
    assert count.by_bot == (
        BotSources(bot_profile_id="b1", sources=5, ready=2, chunks=15),
        BotSources(bot_profile_id="b2", sources=1, ready=0, chunks=0),
    )
    theirs = await queries.count_sources(CountSources(), meta(other_tenant_id))
    assert theirs == SourceTotals(by_status={}, by_bot=())


async def test_what_is_told_of_a_new_source_is_what_is_answered_then(
    store: ReadModelStore, queries: SourceQueries, tenant_id: str
) -> None:
    website: dict[str, Any] = {
        "language": "de",
        "authority": "guideline",
        "refresh_schedule": "daily",
    }
    remote: dict[str, Any] = {"config": {"limit": 5}, "token_ref": "t", "description": "Far away"}
    events: list[Event] = [
        created("p"),
        created("c", parent_id="p"),
        created("w", source_type="website", settings=website),
        created("n", source_type="nyxcore", settings=remote),
    ]
    past = records(tenant_id, events)
    await project(store, past, 0)
    as_made = AsMade(first_row)
    for record in reversed(past[1:]):
        told = as_made([record])
        assert told is not None
        question = GetSource(source_id=record.event.aggregate_id)
        answer = await queries.get_source(question, meta(tenant_id))
        assert SourceView.model_validate(told) == answer
    assert as_made(past) is None
    assert as_made([replace(past[0], event=ingested("p", 3))]) is None


@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pages_join_to_the_whole_list(
    store: ReadModelStore, queries: SourceQueries, tenant_id: str, *, oldest_first: bool
) -> None:
    large = {"config": {"text": "x" * 15_000}}
    events = [created(f"s{n:03}", settings=large if n % 2 else {}) for n in range(200)]
    await project(store, records(tenant_id, events), 0)
    everything = [f"s{n:03}" for n in range(200)]
    if not oldest_first:
        everything.reverse()
    for limit in (1, 7, 200, 500):
        found: list[str] = []
        after: SortKey | None = None
        while True:
            question = ListSources(
                after=after, limit=limit, oldest_first=oldest_first, counted=True
            )
            page = await listed(queries, question, meta(tenant_id))
            assert 0 < len(page.items) <= limit
            assert page.total == 200
            assert len(page.model_dump_json().encode()) < 1_000_000
            found += [one.id for one in page.items]
            after = page.following
            if after is None:
                break
        assert found == everything
    nothing = await listed(queries, ListSources(limit=0), meta(tenant_id))
    assert (nothing.items, nothing.following) == ((), None)
