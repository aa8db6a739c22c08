"""What the log says about sources, as the rows of ingest show it."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.main import SOURCES
from services.ingest.queries.sources import SourceQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.ingest import (
    GetSource,
    GetTimeline,
    IngestionRequested,
    IngestionStarted,
    ListSources,
    Prepared,
    SourceCreated,
    SourceDeleted,
    SourceFailed,
    SourceFetched,
    SourceIngested,
    SourcePrepared,
    SourceSettings,
    SourceUnchanged,
    SourceUpdated,
    SourceView,
)
from shared.contracts.ingest_stages import Batch
from shared.kernel.errors import NotFound
from tests.bank.messages import metadata
from tests.integration.listed import listed
from tests.integration.replay import ProjectionContract, replay


def created(source_id: str, parent_id: str | None = None) -> SourceCreated:
    return SourceCreated(
        source_id=source_id,
        bot_profile_id="b1",
        parent_id=parent_id,
        source_type="text",
        settings=SourceSettings(name=f"Source {source_id}", config={"k": ["v", 1]}),
    )


def run(source_id: str, run_id: str, revision: int, *, chunks: int = 3) -> Sequence[Event]:
    """A whole ingestion that ends well."""
    prepared = Prepared(
        revision=revision,
        content_hash="c" * 64,
        recipe="r1",
        text_ref="t" * 64,
        title="Title",
        language="de",
        characters=300,
        embedding_model="local/static",
        dimension=4,
        chunk_count=chunks,
        embedded_count=chunks,
        batches=(Batch(ref="b" * 64, count=chunks),),
    )
    return (
        IngestionRequested(source_id=source_id, run_id=run_id),
        IngestionStarted(source_id=source_id, run_id=run_id, attempt=1),
        SourceFetched(
            source_id=source_id, run_id=run_id, raw_ref="f" * 64, media_type="text/plain", size=300
        ),
        SourcePrepared(
            source_id=source_id,
            run_id=run_id,
            bot_profile_id="b1",
            source_name=f"Source {source_id}",
            prepared=prepared,
        ),
        SourceIngested(
            source_id=source_id,
            run_id=run_id,
            revision=revision,
            source_name=f"Source {source_id}",
            document_count=1,
            chunk_count=chunks,
        ),
    )


HISTORY: Sequence[Event] = (
    created("plain"),
    *run("plain", "r1", 1),
    SourceUpdated(
        source_id="plain",
        bot_profile_id="b1",
        settings=SourceSettings(name="Renamed", authority="mandatory"),
    ),
    IngestionRequested(source_id="plain", run_id="r2"),
    IngestionStarted(source_id="plain", run_id="r2", attempt=1),
    SourceUnchanged(source_id="plain", run_id="r2"),
    created("broken"),
    IngestionRequested(source_id="broken", run_id="r3"),
    IngestionStarted(source_id="broken", run_id="r3", attempt=1),
    SourceFailed(source_id="broken", run_id="r3", reason="The page is empty."),
    created("parent"),
    created("child-1", "parent"),
    created("child-2", "parent"),
    *run("child-1", "r4", 1, chunks=2),
    *run("child-2", "r5", 1, chunks=5),
    created("gone"),
    SourceDeleted(source_id="gone", bot_profile_id="b1"),
)


class TestSources(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("ingest")

    @pytest.fixture
    def model(self) -> ReadModel:
        return SOURCES

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return HISTORY

    async def source(self, store: ReadModelStore, tenant_id: str, source_id: str) -> SourceView:
        question = GetSource(source_id=source_id)
        return await SourceQueries(store).get_source(question, metadata(tenant_id))

    async def test_shows_how_far_every_source_is(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        plain = await self.source(store, tenant_id, "plain")
        assert (plain.status, plain.name, plain.authority) == ("ready", "Renamed", "mandatory")
        assert (plain.document_count, plain.chunk_count, plain.language) == (1, 3, "de")
        assert plain.last_refreshed_at == past[9].at
        assert (plain.created_at, plain.updated_at) == (past[0].at, past[9].at)
        broken = await self.source(store, tenant_id, "broken")
        assert (broken.status, broken.error_message) == ("error", "The page is empty.")
        assert broken.config == {"k": ["v", 1]}

    async def test_a_parent_is_what_its_children_are(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        parent = await self.source(store, tenant_id, "parent")
        assert (parent.status, parent.children_count, parent.chunk_count) == ("ready", 2, 7)

    async def test_lists_what_is_active(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = SourceQueries(store), metadata(tenant_id)
        top = await listed(queries, ListSources(), meta)
        assert [view.id for view in top.items] == ["parent", "broken", "plain"]
        children = await listed(queries, ListSources(parent_id="parent"), meta)
        assert {view.id for view in children.items} == {"child-1", "child-2"}
        flat = await listed(queries, ListSources(flat=True, bot_profile_id="b1"), meta)
        assert len(flat.items) == 5
        of_nobody = await listed(queries, ListSources(bot_profile_id="b2"), meta)
        assert of_nobody.items == ()

    async def test_tells_the_life_of_a_source_in_order(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past, chunk=3)
        found = await SourceQueries(store).get_timeline(
            GetTimeline(source_id="plain"), metadata(tenant_id)
        )
        assert [entry.event for entry in found.items] == [
            "source.created",
            "source.ingestion_requested",
            "source.ingestion_started",
            "source.fetched",
            "source.prepared",
            "source.ingested",
            "source.updated",
            "source.ingestion_requested",
            "source.ingestion_started",
            "source.unchanged",
        ]
        assert [entry.sequence for entry in found.items] == [r.sequence for r in past[:10]]

    async def test_another_tenant_sees_nothing(
        self, store: ReadModelStore, past: list[Recorded[Event]], other_tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = SourceQueries(store), metadata(other_tenant_id)
        assert (await listed(queries, ListSources(flat=True), meta)).items == ()
        with pytest.raises(NotFound):
            await self.source(store, other_tenant_id, "plain")
        with pytest.raises(NotFound):
            await queries.get_timeline(GetTimeline(source_id="plain"), meta)
