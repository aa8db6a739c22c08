"""The retrieval index as a projection: points in an engine, and rows that say which may answer."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.chat.adapters.qdrant_index import QdrantIndexes
from services.chat.ports import Scope, Sparse, VectorIndex
from services.chat.queries.index import IndexQueries
from shared.adapters.blobs import Blobs
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import IndexBuilt
from shared.contracts.ingest import (
    Prepared,
    SourceDeleted,
    SourcePrepared,
    SourceSettings,
    SourceUpdated,
)
from shared.contracts.ingest_stages import Batch
from tests.integration.indexing import DIMENSION, EAST, IndexContract, batch
from tests.integration.replay import fresh, recorded, replay

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")


class TestIndex(IndexContract):
    @pytest.fixture
    async def prepared(
        self, blobs: Blobs, tenant_id: str, other_tenant_id: str
    ) -> Callable[..., SourcePrepared]:
        """A revision of a source whose batches lie in the blobs of both tenants."""
        refs: dict[tuple[str, ...], str] = {}
        for texts in (("one", "two"), ("two", "three"), ("four",), ("five",)):
            for owner in (tenant_id, other_tenant_id):
                refs[texts] = await blobs.put(owner, batch(*texts))

        def make(source_id: str, revision: int, *batches: tuple[str, ...]) -> SourcePrepared:
            count = sum(len(texts) for texts in batches)
            return SourcePrepared(
                source_id=source_id,
                run_id=f"run-{revision}",
                bot_profile_id="b1",
                source_name=f"Source {source_id}",
                prepared=Prepared(
                    revision=revision,
                    content_hash="c" * 64,
                    recipe="r1",
                    text_ref="t" * 64,
                    title="Title",
                    language="en",
                    characters=9,
                    embedding_model="local/static",
                    dimension=DIMENSION,
                    chunk_count=count,
                    embedded_count=count,
                    batches=tuple(Batch(ref=refs[texts], count=len(texts)) for texts in batches),
                ),
            )

        return make

    @pytest.fixture
    def events(self, prepared: Callable[..., SourcePrepared]) -> Sequence[Event]:
        return (
            prepared("s1", 1, ("one", "two"), ("four",)),
            IndexBuilt(source_id="s1", run_id="run-1", revision=1, points=3),
            prepared("s2", 1, ("five",)),
            prepared("s1", 2, ("two", "three")),
            IndexBuilt(source_id="s1", run_id="run-2", revision=2, points=2),
            SourceUpdated(
                source_id="s1",
                bot_profile_id="b1",
                settings=SourceSettings(name="Renamed", authority="mandatory"),
            ),
            prepared("s3", 1, ("four",)),
            SourceDeleted(source_id="s3", bot_profile_id="b1"),
        )

    async def found(
        self, store: ReadModelStore, indexes: QdrantIndexes, tenant_id: str
    ) -> list[tuple[str, int, str]]:
        """Source, revision and text of every point that a search finds."""
        hits = []
        for known in await IndexQueries(store).knowledge(tenant_id, "b1"):
            index: VectorIndex = await indexes.open(known.collection, known.dimension)
            hits += await index.search(Scope(tenant_id, "b1"), EAST, Sparse((), ()), limit=40)
        return sorted((hit.source_id, hit.revision, hit.text) for hit in hits)

    async def test_only_the_newest_revision_of_what_is_there_is_found(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past, chunk=2)
        assert await self.found(store, indexes, tenant_id) == [
            ("s1", 2, "three"),
            ("s1", 2, "two"),
            ("s2", 1, "five"),
        ]
        answering = await IndexQueries(store).answering(tenant_id, ["s1", "s2", "s3"])
        assert set(answering) == {"s1", "s2"}
        assert (answering["s1"].revision, answering["s1"].name) == (2, "Renamed")
        assert (answering["s1"].authority, answering["s1"].language) == ("mandatory", "en")

    async def test_until_the_new_revision_is_told_both_are_there_and_the_rows_choose(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        """At every moment one whole revision answers: points first, then rows, then cleaning."""
        await replay(store, past[:4])
        revisions = {
            revision
            for source, revision, _ in await self.found(store, indexes, tenant_id)
            if source == "s1"
        }
        assert revisions == {1, 2}
        assert (await IndexQueries(store).answering(tenant_id, ["s1"]))["s1"].revision == 2

    async def test_the_same_revision_again_doubles_no_point(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        prepared: Callable[..., SourcePrepared],
        tenant_id: str,
    ) -> None:
        """A crash between the engine's flush and the rows' commit repeats a whole batch."""
        await replay(store, past)
        before = await self.found(store, indexes, tenant_id)
        again = recorded(tenant_id, prepared("s1", 2, ("two", "three")), first=1000)
        await replay(store, again)
        assert await self.found(store, indexes, tenant_id) == before

    async def test_another_tenant_finds_nothing(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        await replay(store, past)
        assert await self.found(store, indexes, other_tenant_id) == []
        assert await IndexQueries(store).answering(other_tenant_id, ["s1"]) == {}
        [name] = await IndexQueries(store).collection_names()
        index = await indexes.open(name, DIMENSION)
        assert await index.count(Scope(other_tenant_id)) == 0
        assert await index.count(Scope(tenant_id)) == 3

    async def test_a_rebuild_beside_finds_the_same_while_the_old_one_answers(
        self,
        engine: AsyncEngine,
        model: ReadModel,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past)
        before = await self.found(store, indexes, tenant_id)
        async with fresh(engine, model) as beside:
            await replay(beside, past, chunk=1)
            assert await self.found(beside, indexes, tenant_id) == before
            assert await self.found(store, indexes, tenant_id) == before
            old = await IndexQueries(store).collection_names()
            new = await IndexQueries(beside).collection_names()
            assert old.isdisjoint(new)
            for name in old:
                await indexes.drop(name)
            assert await self.found(beside, indexes, tenant_id) == before
