"""The bench of retrieval fills an index with what a bot may answer from."""

from pathlib import Path

from bench.retrieval_speed import Words, chunks, fill, percentiles
from services.chat.adapters.edge_index import EdgeIndexes
from services.chat.ports import Scope
from shared.adapters import static_embedder

PLACE = Scope("t1", "b1")
SOURCES = ("s1", "s2")


def test_made_up_words_are_the_same_each_time_and_few_are_common() -> None:
    text = Words(1).text(2000)
    assert text == Words(1).text(2000) != Words(2).text(2000)
    words = text.split()
    assert set(words) & set(Words(2).text(2000).split())
    assert max(map(words.count, set(words))) > 50
    assert len(set(words)) > 500


def test_chunks_are_numbered_from_where_the_last_ended() -> None:
    made = [*chunks(3, 0, PLACE, SOURCES), *chunks(3, 3, PLACE, SOURCES)]
    assert len({point.id for point in made}) == 6
    assert [point.source_id for point in made] == ["s1", "s2"] * 3
    assert {(point.tenant_id, point.bot_profile_id, point.revision) for point in made} == {
        ("t1", "b1", 1)
    }


def test_percentiles_are_of_all_that_was_measured() -> None:
    assert percentiles([*range(101)]) == (50, 99)


async def test_an_index_is_filled_up_to_a_size(tmp_path: Path) -> None:
    indexes = EdgeIndexes(tmp_path)
    await indexes.open("chunks-1", static_embedder.DIMENSION)
    await indexes.aclose()
    await fill(tmp_path, PLACE, SOURCES, 0, 5)
    speed, megabytes = await fill(tmp_path, PLACE, SOURCES, 5, 12)
    assert min(speed, megabytes) > 0
    indexes = EdgeIndexes(tmp_path)
    index = await indexes.open("chunks-1", static_embedder.DIMENSION)
    found = [await index.count(PLACE), await index.count(Scope("t1", source_id="s1"))]
    await indexes.aclose()
    assert found == [12, 6]
