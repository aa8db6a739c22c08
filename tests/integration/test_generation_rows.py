"""Generations of a bot's index as a projection: one of them answers, and nothing is left over."""

from collections.abc import Sequence

import pytest

from services.chat.adapters.qdrant_index import QdrantIndexes
from services.chat.ports import Scope
from services.chat.queries.index import IndexQueries
from shared.adapters.blobs import Blobs
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import IndexBuilt
from shared.contracts.chat_index import (
    IndexRetired,
    IndexSettings,
    IndexSwitched,
    ReindexCancelled,
    ReindexFailed,
    ReindexStarted,
)
from shared.contracts.ingest import Prepared, SourceDeleted, SourcePrepared
from shared.contracts.ingest_shadow import ShadowPrepared
from shared.contracts.ingest_stages import Batch
from tests.integration.indexing import DIMENSION, IndexContract, batch
from tests.integration.replay import replay

SMALL = IndexSettings(chunk_size=512)
SWITCHED = IndexSwitched(bot_profile_id="b1", generation=1, replaced=0, settings=SMALL)

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")


def built(source_id: str, revision: int) -> IndexBuilt:
    return IndexBuilt(source_id=source_id, run_id="r", revision=revision, points=1)


def started(generation: int) -> ReindexStarted:
    return ReindexStarted(bot_profile_id="b1", generation=generation, settings=SMALL)


class TestGenerations(IndexContract):
    @pytest.fixture
    async def events(self, blobs: Blobs, tenant_id: str, other_tenant_id: str) -> Sequence[Event]:
        for owner in (tenant_id, other_tenant_id):
            ref = await blobs.put(owner, batch("text"))

        def prepared(revision: int, generation: int) -> Prepared:
            return Prepared(
                revision=revision,
                content_hash="c" * 64,
                recipe="r",
                text_ref="t" * 64,
                language="en",
                characters=4,
                embedding_model="local/static",
                dimension=DIMENSION,
                chunk_count=1,
                embedded_count=1,
                batches=(Batch(ref=ref, count=1),),
                generation=generation,
            )

        def came(source_id: str, revision: int, generation: int = 0) -> SourcePrepared:
            return SourcePrepared(
                source_id=source_id,
                run_id="r",
                bot_profile_id="b1",
                source_name=source_id,
                prepared=prepared(revision, generation),
            )

        def shadow(source_id: str, revision: int, generation: int) -> ShadowPrepared:
            return ShadowPrepared(
                source_id=source_id,
                generation=generation,
                revision=revision,
                bot_profile_id="b1",
                prepared=prepared(revision, generation),
            )

        return (
            came("s1", 1),
            built("s1", 1),
            came("s2", 1),
            built("s2", 1),
            started(1),
            shadow("s1", 1, 1),  # 5
            came("s2", 2),
            built("s2", 2),
            shadow("s2", 1, 1),  # its source has gone on
            shadow("s2", 2, 1),  # 9: the generation is whole
            came("s3", 1),  # too late for the switch
            SWITCHED,  # 11
            IndexRetired(bot_profile_id="b1", generation=1),  # 12
            shadow("s3", 1, 1),  # 13
            IndexRetired(bot_profile_id="b1", generation=1, source_id="s3"),  # 14
            SourceDeleted(source_id="s2", bot_profile_id="b1"),
            shadow("s2", 2, 1),  # 16: deleted meanwhile
            started(2),
            shadow("s1", 1, 2),  # 18
            ReindexFailed(bot_profile_id="b1", generation=2, source_id="s3", reason="no key"),
            started(3),  # 20: in its place
            ReindexCancelled(bot_profile_id="b1", generation=3),
        )

    async def points(
        self, store: ReadModelStore, indexes: QdrantIndexes, tenant_id: str
    ) -> set[tuple[str, int]]:
        """Source and generation of every point."""
        [name] = await IndexQueries(store).collection_names()
        index = await indexes.open(name, DIMENSION)
        return {
            (source, generation)
            for source in ("s1", "s2", "s3")
            for generation in range(4)
            if await index.count(Scope(tenant_id, source_id=source, generations=(generation,)))
        }

    async def answering(self, store: ReadModelStore, tenant_id: str) -> dict[str, tuple[int, int]]:
        """Revision and generation of every source that answers."""
        found = await IndexQueries(store).answering(tenant_id, ["s1", "s2", "s3"])
        return {source: (one.revision, one.generation) for source, one in found.items()}

    async def test_until_the_switch_the_one_before_answers(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        queries = IndexQueries(store)
        await replay(store, past[:9])
        assert await self.answering(store, tenant_id) == {"s1": (1, 0), "s2": (2, 0)}
        assert await queries.whole(tenant_id, "b1") is None
        view = await queries.bot_index(tenant_id, "b1")
        assert view.building is not None
        assert (view.building.sources_done, view.building.sources_total) == (1, 2)
        await replay(store, past[9:10])
        assert await queries.whole(tenant_id, "b1") == 1
        assert await self.answering(store, tenant_id) == {"s1": (1, 0), "s2": (2, 0)}

    async def test_the_switch_is_of_all_sources_but_those_that_came_late(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past[:12])
        assert await self.answering(store, tenant_id) == {
            "s1": (1, 1),
            "s2": (2, 1),
            "s3": (1, 0),
        }
        known = await IndexQueries(store).knowledge(tenant_id, "b1")
        assert sorted(one.generation for one in known) == [0, 1]
        assert {("s1", 0), ("s2", 0)} <= await self.points(store, indexes, tenant_id)
        await replay(store, past[12:13])
        assert await self.points(store, indexes, tenant_id) == {("s1", 1), ("s2", 1), ("s3", 0)}

    async def test_what_came_late_follows(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past[:14])
        assert (await self.answering(store, tenant_id))["s3"] == (1, 1)
        await replay(store, past[14:15])
        assert await self.points(store, indexes, tenant_id) == {("s1", 1), ("s2", 1), ("s3", 1)}

    async def test_nothing_is_left_of_what_was_deleted_or_given_up(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past[:19])
        assert await self.answering(store, tenant_id) == {"s1": (1, 1), "s3": (1, 1)}
        assert ("s1", 2) in await self.points(store, indexes, tenant_id)
        await replay(store, past[19:20])
        failed = await IndexQueries(store).bot_index(tenant_id, "b1")
        assert failed.building is not None
        assert (failed.state, failed.building.reason) == ("failed", "no key")
        await replay(store, past[20:])
        view = await IndexQueries(store).bot_index(tenant_id, "b1")
        assert (view.state, view.generation, view.building) == ("active", 1, None)
        assert await self.points(store, indexes, tenant_id) == {("s1", 1), ("s3", 1)}
