"""Whether one variant is better than another, and how sure that is."""

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.comparing import difference

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, other = [0.1, 0.5, 0.3, 0.9], [0.4, 0.4, 0.6, 0.8]
    assert difference(one, other, 7) == difference(one, other, 7)


def test_what_is_better_everywhere_is_significant() -> None:
    found = difference([0.2] * 30, [0.6] * 30, 1)
    assert (found.mean, found.low, found.high, found.confidence) == (0.4, 0.4, 0.4, 1.0)
    assert (found.wins, found.losses, found.ties) == (30, 0, 0)
    assert found.significant


def test_what_is_better_half_of_the_time_is_not() -> None:
    found = difference([0.0, 1.0] * 10, [1.0, 0.0] * 10, 1)
    assert (found.mean, found.significant, found.wins, found.losses) == (0.0, False, 10, 10)
    assert 0.3 < found.confidence < 0.7


def test_one_win_in_many_questions_is_not_enough() -> None:
    found = difference([0.5] * 20, [*[0.5] * 19, 1.0], 1)
    assert found.mean > 0
    assert not found.significant
    assert 0.5 < found.confidence < 1


def test_the_interval_narrows_with_more_questions() -> None:
    few = difference([0.0, 0.5, 0.5], [0.5, 0.5, 0.0], 3)
    many = difference([0.0, 0.5, 0.5] * 30, [0.5, 0.5, 0.0] * 30, 3)
    assert many.high - many.low < few.high - few.low


@given(SCORES)
def test_a_variant_does_not_differ_from_itself(scores: list[float]) -> None:
    found = difference(scores, scores, 5)
    assert (found.mean, found.low, found.high, found.confidence) == (0.0, 0.0, 0.0, 0.5)
    assert not found.significant


@given(SCORES, st.integers(0, 2**32))
def test_the_interval_holds_between_the_worst_and_the_best_question(
    scores: list[float], seed: int
) -> None:
    other = [1 - score for score in scores]
    found = difference(scores, other, seed)
    gains = [b - a for a, b in zip(scores, other, strict=True)]
    assert min(gains) - 1e-6 <= found.low <= found.high <= max(gains) + 1e-6


@pytest.mark.parametrize(("one", "other"), [([], []), ([0.1], [0.1, 0.2])])
def test_scores_that_do_not_belong_together_are_refused(
    one: list[float], other: list[float]
) -> None:
    with pytest.raises(ValueError, match="as many"):
        difference(one, other, 1)
