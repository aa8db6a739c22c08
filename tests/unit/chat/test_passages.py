"""Chunks become passages."""

from dataclasses import replace
from typing import Any

from hypothesis import given, strategies as st

from services.chat.domain.passages import ALIKE, LONGEST, Place, distinct, neighbours, united

TEXT = "One stone.\n\nTwo stones. Three stones and a very long wall of clay."


def place(ordinal: int, start: int, end: int, **fields: Any) -> Place:
    base = Place("s", 1, ordinal, start, end, None, TEXT[start:end])
    return replace(base, **fields)


def test_neighbours_become_one_passage_with_the_exact_span_and_text() -> None:
    first, second, third = place(0, 0, 10), place(1, 12, 23), place(2, 24, len(TEXT))
    groups = neighbours([third, first, second], lambda one: one)
    assert groups == [[first, second, third]]
    whole = united(groups[0])
    assert (whole.start, whole.end, whole.text) == (0, len(TEXT), TEXT)


def test_chunks_that_share_characters_are_joined_without_saying_them_twice() -> None:
    assert united([place(0, 0, 18), place(1, 12, 30)]).text == TEXT[:30]


def test_what_does_not_touch_stays_apart_in_the_order_of_rank() -> None:
    here, far = place(0, 0, 10), place(2, 24, 40)
    other = place(1, 12, 23, source_id="t")
    older = place(1, 12, 23, revision=2)
    below = place(1, 12, 23, heading="Walls")
    overleaf = place(1, 12, 23, page=2)
    found = [below, far, other, here, older, overleaf]
    assert neighbours(found, lambda one: one) == [[one] for one in found]


def test_a_passage_does_not_grow_without_end() -> None:
    chunks = [
        place(n, n * 1001, n * 1001 + 1000, text="x" * 1000) for n in range(2 * LONGEST // 1000)
    ]
    groups = neighbours(chunks, lambda one: one)
    assert len(groups) > 1
    assert all(group[-1].end - group[0].start <= LONGEST for group in groups)


def test_the_same_text_comes_once_and_the_better_place_wins() -> None:
    found = [("a", "the wall is red and high"), ("b", "a barn"), ("c", "the wall is red and high")]
    assert distinct(found, lambda one: one[1]) == found[:2]


WORDS = st.lists(
    st.sampled_from(["a", "barn", "red", "the", "wall", "is", "high", "and", "old", "stone"]),
    max_size=12,
)


def alike(left: str, right: str) -> bool:
    one, other = set(left.split()), set(right.split())
    return bool(one) and len(one & other) / len(one | other) > ALIKE


@given(st.lists(WORDS, max_size=12), st.integers(0, 30))
def test_whatever_repeats_something_better_goes_and_nothing_else(
    said: list[list[str]], common: int
) -> None:
    shared = " ".join(f"word{n}" for n in range(common))
    texts = [f"{shared} {' '.join(words)}" for words in said]
    kept: list[str] = []
    for text in texts:
        if not any(alike(text, before) for before in kept):
            kept.append(text)
    assert distinct(texts, str) == kept


@given(st.permutations(list(range(6))))
def test_no_chunk_is_lost_or_doubled(order: list[int]) -> None:
    chunks = [place(n, n * 11, n * 11 + 10, text=f"part {n}") for n in range(6)]
    groups = neighbours([chunks[n] for n in order], lambda one: one)
    assert sorted(one.ordinal for group in groups for one in group) == list(range(6))
