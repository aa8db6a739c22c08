"""What every vector engine must do: one contract for the embedded one and for the server."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from services.chat.adapters.edge_index import BATCH, EdgeIndexes
from services.chat.adapters.qdrant_index import QdrantIndexes
from services.chat.ports import Hit, Scope, Sparse, VectorIndex, VectorIndexes
from shared.kernel.ids import new_id
from tests.contract.points import (
    DIMENSION,
    EAST,
    NORTH,
    NOTHING,
    point,
    terms,
    texts,
    vector,
)

SHARED = f"shared-{new_id()}"
"""The index of all tests that need no other than a tenant of their own."""


async def scores(index: VectorIndex, scope: Scope, sparse: Sparse) -> dict[str, float]:
    hits: Sequence[Hit] = await index.search(scope, NORTH, sparse, limit=10)
    return {hit.text: round(hit.score, 6) for hit in hits}


@pytest.fixture
def acme() -> str:
    return new_id()


@pytest.fixture
def evil() -> str:
    return new_id()


class VectorIndexContract:
    """Subclass per engine; provide `indexes`. Every test has two tenants of its own."""

    @pytest.fixture
    async def index(self, indexes: VectorIndexes) -> VectorIndex:
        return await indexes.open(SHARED, DIMENSION)

    async def test_what_was_put_in_is_found_whole(self, index: VectorIndex, acme: str) -> None:
        made = point(
            "p", acme, text="Ünïcode 漢字 🦊 \u0301", heading="Über > uns", sparse=terms(7)
        )
        await index.upsert([made])
        [hit] = await index.search(Scope(acme), EAST, terms(7), limit=5)
        assert (hit.id, hit.source_id, hit.revision) == (made.id, "s1", 1)
        assert (hit.text, hit.heading) == (made.text, made.heading)
        assert (hit.ordinal, hit.start, hit.end) == (0, 0, made.end)
        assert hit.score == pytest.approx(1.0)
        assert hit.similarity == pytest.approx(1.0)

    async def test_the_same_id_is_replaced(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([point("p", acme, text="old", sparse=terms(1))])
        await index.upsert([point("p", acme, text="new", dense=NORTH, sparse=terms(2))])
        assert await index.count(Scope(acme)) == 1
        [hit] = await index.search(Scope(acme), NORTH, terms(1), limit=5)
        assert hit.text == "new"
        assert hit.similarity == pytest.approx(1.0)

    async def test_the_last_of_two_with_one_id_stays(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([point("p", acme, text="old"), point("p", acme, text="new")])
        assert await texts(index, Scope(acme)) == ["new"]

    async def test_more_than_a_batch_goes_in_at_once(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([point(str(n), acme) for n in range(2 * BATCH + 3)])
        assert await index.count(Scope(acme)) == 2 * BATCH + 3

    async def test_nothing_goes_in_as_well(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([])
        assert await index.count(Scope(acme)) == 0

    async def test_tenants_never_see_each_other(
        self, index: VectorIndex, acme: str, evil: str
    ) -> None:
        await index.upsert([point("p", acme, text="ours", sparse=terms(1))])
        await index.upsert([point("p", evil, text="theirs", sparse=terms(1))])
        for tenant, own in ((acme, "ours"), (evil, "theirs")):
            assert await texts(index, Scope(tenant), EAST, terms(1)) == [own]
            assert await texts(index, Scope(tenant, "b1", "s1"), EAST, terms(1)) == [own]
            assert await index.count(Scope(tenant)) == 1

    async def test_deleting_touches_no_other_tenant(
        self, index: VectorIndex, acme: str, evil: str
    ) -> None:
        await index.upsert([point("p", tenant) for tenant in (acme, evil)])
        await index.delete(Scope(evil, source_id="s1"))
        assert [await index.count(Scope(tenant)) for tenant in (acme, evil)] == [1, 0]

    async def test_a_scope_is_as_narrow_as_it_says(self, index: VectorIndex, acme: str) -> None:
        await index.upsert(
            [
                point("1", acme, bot="b1", source="s1", text="1"),
                point("2", acme, bot="b1", source="s2", text="2"),
                point("3", acme, bot="b2", source="s3", text="3"),
            ]
        )
        assert sorted(await texts(index, Scope(acme, "b1"))) == ["1", "2"]
        assert await texts(index, Scope(acme, source_id="s3")) == ["3"]
        assert await texts(index, Scope(acme, "b2", "s1")) == []
        assert await index.count(Scope(acme, "b1")) == 2

    async def test_an_unknown_scope_is_empty(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([point("p", acme, sparse=terms(1))])
        for scope in (Scope("nobody"), Scope(acme, "b9"), Scope(acme, source_id="s9")):
            assert await texts(index, scope, EAST, terms(1)) == []
            assert await index.count(scope) == 0
            await index.delete(scope)
        assert await index.count(Scope(acme)) == 1

    def test_no_scope_is_without_a_tenant(self) -> None:
        for wrong in (("",), ("acme", ""), ("acme", None, "")):
            with pytest.raises(ValueError, match="without a tenant"):
                Scope(*wrong)

    async def test_a_source_is_deleted_whole(self, index: VectorIndex, acme: str) -> None:
        await index.upsert(
            [point("1", acme), point("2", acme), point("3", acme, source="s2", text="kept")]
        )
        await index.delete(Scope(acme, source_id="s1"))
        assert await texts(index, Scope(acme)) == ["kept"]

    async def test_only_revisions_below_a_number_are_deleted(
        self, index: VectorIndex, acme: str
    ) -> None:
        await index.upsert(
            [point(str(n), acme, revision=n, text=f"revision {n}") for n in (1, 2, 3, 10)]
            + [point("other", acme, source="s2", revision=1, text="other")]
        )
        await index.delete(Scope(acme, source_id="s1"), below_revision=3)
        left = await texts(index, Scope(acme))
        assert sorted(left) == ["other", "revision 10", "revision 3"]

    async def test_what_was_deleted_can_come_again(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([point("p", acme)])
        await index.delete(Scope(acme, source_id="s1"))
        await index.upsert([point("p", acme, text="again")])
        assert await texts(index, Scope(acme)) == ["again"]

    async def test_the_nearest_come_first(self, index: VectorIndex, acme: str) -> None:
        await index.upsert(
            [
                point("far", acme, dense=NORTH, text="far"),
                point("near", acme, dense=EAST, text="near"),
                point("between", acme, dense=vector(1, 1), text="between"),
            ]
        )
        assert await texts(index, Scope(acme)) == ["near", "between", "far"]
        assert await texts(index, Scope(acme), NORTH) == ["far", "between", "near"]
        assert await texts(index, Scope(acme), limit=2) == ["near", "between"]

    async def test_words_outweigh_nearness(self, index: VectorIndex, acme: str) -> None:
        await index.upsert(
            [
                point("near", acme, dense=EAST, sparse=terms(1), text="near"),
                point("says it", acme, dense=vector(1, 1), sparse=terms(2), text="says it"),
            ]
        )
        assert await texts(index, Scope(acme), EAST, terms(2)) == ["says it", "near"]
        assert await texts(index, Scope(acme), EAST) == ["near", "says it"]

    async def test_a_rare_word_outweighs_a_common_one(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([point(str(n), acme, sparse=terms(1), text=f"{n}") for n in range(8)])
        await index.upsert([point("rare", acme, sparse=terms(2), text="rare")])
        assert (await texts(index, Scope(acme), EAST, terms(1, 2)))[0] == "rare"

    async def test_no_tenants_words_sway_anothers_ranking(
        self, index: VectorIndex, acme: str, evil: str
    ) -> None:
        await index.upsert(
            [point(str(n), acme, sparse=terms(1), text=f"common {n}") for n in range(6)]
        )
        await index.upsert([point("rare", acme, sparse=terms(2), text="rare")])
        before = await scores(index, Scope(acme), terms(1, 2))
        await index.upsert([point(str(n), evil, sparse=terms(2)) for n in range(60)])
        assert await scores(index, Scope(acme), terms(1, 2)) == before

    async def test_words_weigh_by_the_tenant_and_not_by_the_scope(
        self, index: VectorIndex, acme: str
    ) -> None:
        """Term 1 is common in the tenant, though rare in the bot that is asked."""
        await index.upsert([point(str(n), acme, bot="b2", sparse=terms(1)) for n in range(20)])
        await index.upsert([point("common", acme, sparse=terms(1), text="common")])
        await index.upsert([point("rare", acme, sparse=terms(2), text="rare")])
        found = await texts(index, Scope(acme, "b1"), NORTH, terms(1, 2))
        assert found == ["rare", "common"]

    async def test_points_without_words_are_found_by_nearness(
        self, index: VectorIndex, acme: str
    ) -> None:
        await index.upsert([point("p", acme, sparse=NOTHING, text="wordless")])
        assert await texts(index, Scope(acme), EAST, terms(1)) == ["wordless"]
        assert await texts(index, Scope(acme), EAST, NOTHING) == ["wordless"]

    async def test_a_vector_of_another_length_is_refused_and_nothing_is_kept(
        self, index: VectorIndex, acme: str
    ) -> None:
        await index.upsert([point("before", acme, text="before")])
        longer = np.ones(DIMENSION + 1, "<f4").tobytes()
        with pytest.raises(ValueError, match=r"5 .*4"):
            await index.upsert([point("good", acme), point("bad", acme, dense=longer)])
        with pytest.raises(ValueError, match=r"5 .*4"):
            await index.search(Scope(acme), longer, NOTHING, limit=1)
        await index.upsert([point("after", acme, text="after")])
        assert sorted(await texts(index, Scope(acme))) == ["after", "before"]

    async def test_flush_returns(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([point("p", acme)])
        await index.flush()
        assert await index.count(Scope(acme)) == 1

    async def test_searches_and_changes_may_overlap(self, index: VectorIndex, acme: str) -> None:
        await index.upsert([point("kept", acme, sparse=terms(1), text="kept")])
        await asyncio.gather(
            *(index.upsert([point(f"{n}", acme, source="s2")]) for n in range(20)),
            *(index.search(Scope(acme), EAST, terms(1), limit=3) for _ in range(20)),
            index.delete(Scope(acme, source_id="s9")),
        )
        assert await index.count(Scope(acme)) == 21


class VectorIndexesContract:
    """Subclass per engine; provide `indexes`."""

    async def test_an_index_has_the_name_it_was_opened_by(self, indexes: VectorIndexes) -> None:
        name = f"chunks-{new_id()}"
        assert name not in await indexes.names()
        await indexes.open(name, DIMENSION)
        assert name in await indexes.names()
        await indexes.drop(name)
        assert name not in await indexes.names()

    async def test_opening_again_keeps_what_is_in_it(
        self, indexes: VectorIndexes, acme: str
    ) -> None:
        name = f"chunks-{new_id()}"
        await (await indexes.open(name, DIMENSION)).upsert([point("p", acme)])
        assert await (await indexes.open(name, DIMENSION)).count(Scope(acme)) == 1
        await indexes.drop(name)

    async def test_a_rebuild_beside_leaves_the_old_one_answering(
        self, indexes: VectorIndexes, acme: str
    ) -> None:
        old, new = (f"chunks-{new_id()}" for _ in range(2))
        answering = await indexes.open(old, DIMENSION)
        await answering.upsert([point("p", acme, text="old")])
        beside = await indexes.open(new, 2 * DIMENSION)
        await beside.upsert([point("p", acme, text="new", dense=EAST + NORTH)])
        assert await texts(answering, Scope(acme)) == ["old"]
        await indexes.drop(old)
        assert await texts(beside, Scope(acme), EAST + NORTH) == ["new"]
        await indexes.drop(new)

    async def test_what_was_dropped_is_empty_when_it_is_opened_again(
        self, indexes: VectorIndexes, acme: str
    ) -> None:
        name = f"chunks-{new_id()}"
        await (await indexes.open(name, DIMENSION)).upsert([point("p", acme)])
        await indexes.drop(name)
        assert await (await indexes.open(name, DIMENSION)).count(Scope(acme)) == 0
        await indexes.drop(name)

    async def test_dropping_what_is_not_there_changes_nothing(self, indexes: VectorIndexes) -> None:
        before = await indexes.names()
        await indexes.drop(f"chunks-{new_id()}")
        assert await indexes.names() == before

    async def test_tells_that_it_is_well(self, indexes: VectorIndexes) -> None:
        assert (await indexes.state()).startswith("ok")


@pytest.fixture(scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EdgeIndexes]:
    indexes = EdgeIndexes(tmp_path_factory.mktemp("edge"))
    yield indexes
    await indexes.aclose()


@pytest.fixture(scope="module")
async def local() -> AsyncIterator[QdrantIndexes]:
    indexes = QdrantIndexes(AsyncQdrantClient(":memory:"))
    yield indexes
    await indexes.aclose()


class TestEdge(VectorIndexContract, VectorIndexesContract):
    @pytest.fixture
    def indexes(self, edge: EdgeIndexes) -> VectorIndexes:
        return edge


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
class TestQdrantLocal(VectorIndexContract, VectorIndexesContract):
    """The server's adapter, on its client's own imitation of a server."""

    @pytest.fixture
    def indexes(self, local: QdrantIndexes) -> VectorIndexes:
        return local


if "QDRANT_URL" in os.environ:

    @pytest.fixture(scope="module")
    async def server() -> AsyncIterator[QdrantIndexes]:
        indexes = QdrantIndexes.connect(os.environ["QDRANT_URL"], os.environ.get("QDRANT_API_KEY"))
        yield indexes
        await indexes.drop(SHARED)
        await indexes.aclose()

    class TestQdrantServer(VectorIndexContract, VectorIndexesContract):
        @pytest.fixture
        def indexes(self, server: QdrantIndexes) -> VectorIndexes:
            return server


def test_the_folder_of_an_engine_need_not_exist(tmp_path: Path) -> None:
    """Nothing is started, and nothing made, before it is used."""
    EdgeIndexes(tmp_path / "not" / "yet")
    assert not (tmp_path / "not").exists()
