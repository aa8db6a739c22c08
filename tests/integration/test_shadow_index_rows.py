"""Indexes of runs as a projection: beside the one that answers, and gone with their runs."""

from collections.abc import Sequence

import pytest
from typing_extensions import override

from services.chat.adapters.qdrant_index import QdrantIndexes
from services.chat.adapters.shadow_retriever import ShadowRetriever
from services.chat.domain.shadow_index import ShadowIndex
from services.chat.ports import Query, Retrieval, Retriever, Scope
from services.chat.queries.index import IndexQueries
from services.chat.queries.shadow_indexes import ShadowIndexQueries
from shared.adapters.blobs import Blobs
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.chat import IndexBuilt
from shared.contracts.chat_index import IndexSettings, ReindexCancelled, ReindexStarted
from shared.contracts.chat_playground import RunCancelled, RunEnded, RunStarted, Variant
from shared.contracts.ingest import (
    Prepared,
    SourceDeleted,
    SourcePrepared,
    SourceSettings,
    SourceUpdated,
)
from shared.contracts.ingest_shadow_parts import PartPrepared
from shared.contracts.ingest_stages import Batch
from shared.kernel.errors import Unavailable
from tests.integration.indexing import DIMENSION, IndexContract, batch
from tests.integration.replay import replay
from tests.unit.chat.testing import plan

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

SMALL, LARGE = IndexSettings(chunk_size=200), IndexSettings(chunk_size=4000)
FIRST, SECOND = ShadowIndex("r1", 0), ShadowIndex("r1", 1)
SOURCES = ("s1", "s2", "s3")


def begun(run_id: str, *indexes: IndexSettings) -> RunStarted:
    variants = (Variant(title="One", index=0 if indexes else None),)
    return RunStarted(run_id=run_id, plan=plan("q1", variants=variants, indexes=indexes))


class TestShadowIndexes(IndexContract):
    @pytest.fixture
    async def events(self, blobs: Blobs, tenant_id: str, other_tenant_id: str) -> Sequence[Event]:
        for owner in (tenant_id, other_tenant_id):
            await blobs.put(owner, batch("text"))
            ref = await blobs.put(owner, batch("te", "xt"))

        def prepared(revision: int = 1) -> Prepared:
            return Prepared(
                revision=revision,
                content_hash="c" * 64,
                recipe="r",
                text_ref="t" * 64,
                language="en",
                characters=4,
                embedding_model="local/static",
                dimension=DIMENSION,
                chunk_count=2,
                embedded_count=2,
                batches=(Batch(ref=ref, count=2),),
            )

        def came(source_id: str, revision: int = 1) -> SourcePrepared:
            return SourcePrepared(
                source_id=source_id,
                run_id="i",
                bot_profile_id="b1",
                source_name=source_id,
                prepared=prepared(revision),
            )

        def part(run_id: str, index: int, source_id: str) -> PartPrepared:
            return PartPrepared(
                part_id=f"{run_id}-{index}-{source_id}",
                run_id=run_id,
                index=index,
                source_id=source_id,
                bot_profile_id="b1",
                prepared=prepared(),
            )

        return (
            came("s1"),
            came("s2"),
            begun("r0"),
            begun("r1", SMALL, LARGE),  # 3
            part("r1", 0, "s1"),
            part("r1", 0, "s2"),
            part("r1", 1, "s1"),  # 6: one is missing
            part("r1", 1, "s2"),
            came("s3"),
            part("r1", 0, "s3"),  # 9: it was not there when the run began
            came("s1", 2),
            IndexBuilt(source_id="s1", run_id="i", revision=2, points=2),  # 11
            ReindexStarted(bot_profile_id="b1", generation=1, settings=SMALL),
            ReindexCancelled(bot_profile_id="b1", generation=1),  # 13
            SourceUpdated(
                source_id="s1",
                bot_profile_id="b1",
                settings=SourceSettings(name="New name", authority="mandatory"),
            ),
            SourceDeleted(source_id="s2", bot_profile_id="b1"),  # 15
            begun("r2", SMALL),
            part("r2", 0, "s1"),  # 17
            RunEnded(run_id="r1"),
            part("r1", 0, "s1"),  # 19: too late
            RunCancelled(run_id="r2", reason="cancelled"),
            RunEnded(run_id="r0"),
        )

    async def points(
        self, store: ReadModelStore, indexes: QdrantIndexes, tenant_id: str, of: ShadowIndex
    ) -> dict[str, int]:
        """How many points each source has in an index."""
        name = await ShadowIndexQueries(store).collection(tenant_id, of)
        assert name is not None
        index = await indexes.open(name, DIMENSION)
        found = {one: await index.count(Scope(tenant_id, source_id=one)) for one in SOURCES}
        return {one: count for one, count in found.items() if count}

    async def test_a_run_is_whole_when_every_source_of_its_beginning_is_in_each_index(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        queries = ShadowIndexQueries(store)
        await replay(store, past[:7])
        assert await queries.whole(tenant_id, "b1") == []
        assert await queries.of_bot(tenant_id, "b1") == ["r1"]
        await replay(store, past[7:10])
        assert await queries.whole(tenant_id, "b1") == ["r1"]
        assert await self.points(store, indexes, tenant_id, FIRST) == {"s1": 2, "s2": 2}
        assert await self.points(store, indexes, tenant_id, SECOND) == {"s1": 2, "s2": 2}

    async def test_what_a_deleted_source_was_missing_is_waited_for_no_more(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, [*past[:7], *past[15:16]])
        assert await ShadowIndexQueries(store).whole(tenant_id, "b1") == ["r1"]

    async def test_the_bot_answers_as_it_did_and_neither_disturbs_the_other(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        own = IndexQueries(store)
        await replay(store, past[:3])
        before = await own.standing(tenant_id, "b1", SOURCES)
        names = await own.collection_names()
        await replay(store, past[3:8])
        assert await own.standing(tenant_id, "b1", SOURCES) == before
        assert await own.collection_names() == names
        await replay(store, past[8:14])
        assert await self.points(store, indexes, tenant_id, FIRST) == {"s1": 2, "s2": 2}
        sources, [known] = (
            await ShadowIndexQueries(store).of(FIRST).standing(tenant_id, "b1", SOURCES)
        )
        assert {one: found.revision for one, found in sources.items()} == {"s1": 1, "s2": 1}
        assert (known.languages, known.binding, known.generation) == (frozenset({"en"}), (), 0)

    async def test_what_is_told_of_a_source_holds_here_too(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        await replay(store, past[:16])
        sources, [known] = (
            await ShadowIndexQueries(store).of(FIRST).standing(tenant_id, "b1", SOURCES)
        )
        assert {one: found.name for one, found in sources.items()} == {"s1": "New name"}
        assert known.binding == ("s1",)
        assert await self.points(store, indexes, tenant_id, FIRST) == {"s1": 2}

    async def test_nothing_is_left_of_a_run_that_is_over(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
    ) -> None:
        queries = ShadowIndexQueries(store)
        await replay(store, past[:18])
        assert len(await queries.collection_names()) == 3
        assert await queries.collection_names() <= await indexes.names()
        await replay(store, past[18:20])
        assert await queries.of_bot(tenant_id, "b1") == ["r2"]
        assert len(await queries.collection_names()) == 1
        await replay(store, past[20:])
        assert await queries.collection_names() == frozenset()
        assert await indexes.names() == await IndexQueries(store).collection_names()
        assert await queries.of(FIRST).standing(tenant_id, "b1", SOURCES) == ({}, [])

    @pytest.mark.parametrize("fails", [False, True])
    async def test_a_look_that_the_end_came_between_makes_nothing_anew(
        self,
        store: ReadModelStore,
        indexes: QdrantIndexes,
        past: list[Recorded[Event]],
        tenant_id: str,
        fails: bool,
    ) -> None:
        queries = ShadowIndexQueries(store)
        await replay(store, past[:18])
        name = await queries.collection(tenant_id, FIRST)
        assert name is not None

        class Slow(Retriever):
            """Opens the vector index a moment after it was dropped."""

            @override
            async def retrieve(self, _tenant: str, _bot: str, _query: Query) -> Retrieval:
                await replay(store, past[18:])
                await indexes.open(str(name), DIMENSION)
                if fails:
                    raise Unavailable("it is empty")
                return Retrieval([])

            @override
            async def languages(self, _tenant: str, _bot: str) -> frozenset[str]:
                return frozenset()

        looking = ShadowRetriever(Slow(), indexes, queries, FIRST)
        try:
            await looking.retrieve(tenant_id, "b1", Query("text"))
        except Unavailable:
            assert fails
        assert name not in await indexes.names()
