"""How two rankings become one."""

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.ranking import DENSE, LEXICAL, fuse

SCORES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 50), max_size=6)
COSINES = st.dictionaries(st.sampled_from("abcdef"), st.floats(-1, 1), max_size=6)


def test_nothing_and_nothing_is_nothing() -> None:
    assert fuse({}, {}) == []


def test_scores_are_weighed_and_lexical_ones_are_relative_to_the_best() -> None:
    ranked = fuse({"a": 0.5}, {"a": 10.0, "b": 5.0})
    assert [chunk for chunk, _ in ranked] == ["a", "b"]
    expected = {"a": LEXICAL + DENSE * 0.5, "b": LEXICAL * 0.5}
    assert dict(ranked) == pytest.approx(expected)


def test_a_rare_word_beats_a_vague_likeness() -> None:
    ranked = fuse({"vague": 0.9, "exact": 0.2}, {"exact": 12.0, "vague": 1.0})
    assert [chunk for chunk, _ in ranked] == ["exact", "vague"]


def test_without_a_lexical_match_likeness_decides() -> None:
    assert [chunk for chunk, _ in fuse({"a": 0.2, "b": 0.7}, {})] == ["b", "a"]
    assert [chunk for chunk, _ in fuse({"a": 0.2, "b": 0.7}, {"a": 0.0})] == ["b", "a"]


def test_the_opposite_counts_as_nothing_rather_than_against() -> None:
    assert dict(fuse({"a": -0.9}, {"a": 1.0})) == pytest.approx({"a": LEXICAL})


def test_ties_are_always_broken_alike() -> None:
    assert [chunk for chunk, _ in fuse({"b": 0.5, "a": 0.5}, {})] == ["a", "b"]


@given(COSINES, SCORES)
def test_every_chunk_stands_once_best_first_between_0_and_1(
    dense: dict[str, float], lexical: dict[str, float]
) -> None:
    ranked = fuse(dense, lexical)
    assert sorted(chunk for chunk, _ in ranked) == sorted({*dense, *lexical})
    scores = [score for _, score in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)


@given(COSINES, SCORES, st.floats(0.1, 100))
def test_the_scale_of_lexical_scores_does_not_matter(
    dense: dict[str, float], lexical: dict[str, float], scale: float
) -> None:
    kept = {chunk: score for chunk, score in lexical.items() if score > 1e-3}
    scaled = {chunk: score * scale for chunk, score in kept.items()}
    assert dict(fuse(dense, scaled)) == pytest.approx(dict(fuse(dense, kept)))
