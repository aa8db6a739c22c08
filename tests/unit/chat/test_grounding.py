"""Grounded or silent: whether what was found is enough to answer from."""

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.grounding import (
    CONTEXT_LIMIT,
    COVERAGE,
    FLOOR,
    LIKENESS,
    Candidate,
    Grounded,
    Silent,
    judge,
)
from tests.unit.chat.samples import candidate


class TestTheFloor:
    def test_with_nothing_found_a_bot_is_silent(self) -> None:
        assert judge([]) == Silent("nothing_found", 0.0)

    def test_below_it_a_bot_is_silent_and_says_how_near_it_was(self) -> None:
        near = candidate(evidence=FLOOR - 0.001)
        assert judge([candidate("far", 0.1), near]) == Silent("below_floor", near.evidence)

    def test_at_it_a_bot_answers(self) -> None:
        verdict = judge([candidate(evidence=FLOOR)])
        assert isinstance(verdict, Grounded)
        assert verdict.best == FLOOR

    def test_one_good_chunk_of_many_is_enough(self) -> None:
        verdict = judge([candidate("weak", 0.1), candidate("good", 0.9)])
        assert isinstance(verdict, Grounded)
        assert [chunk.chunk_id for chunk in verdict.context] == ["weak", "good"]

    def test_the_rank_of_the_search_is_no_evidence(self) -> None:
        assert isinstance(judge([candidate(evidence=0.1, score=1000.0)]), Silent)


class TestEvidence:
    def test_is_a_part_similarity_and_more_coverage(self) -> None:
        assert candidate(similarity=0.6, coverage=1.0).evidence == pytest.approx(
            0.6 * LIKENESS + COVERAGE
        )

    def test_of_opposite_meaning_counts_as_none(self) -> None:
        assert candidate(similarity=-1.0, coverage=0.5).evidence == pytest.approx(0.5 * COVERAGE)


class TestTheContext:
    def test_holds_the_first_five(self) -> None:
        verdict = judge([candidate(f"k{n}") for n in range(9)])
        assert isinstance(verdict, Grounded)
        assert [chunk.chunk_id for chunk in verdict.context] == ["k0", "k1", "k2", "k3", "k4"]

    def test_puts_binding_chunks_first_and_keeps_the_rank_among_equals(self) -> None:
        authorities = {
            "plain": None,
            "told": "informational",
            "rule": "mandatory",
            "hint": "guideline",
            "rule2": "mandatory",
        }
        verdict = judge([candidate(name, authority=a) for name, a in authorities.items()])
        assert isinstance(verdict, Grounded)
        assert [chunk.chunk_id for chunk in verdict.context] == [
            "rule",
            "rule2",
            "hint",
            "told",
            "plain",
        ]

    def test_an_authority_nobody_knows_ranks_last(self) -> None:
        verdict = judge(
            [candidate("odd", authority="gospel"), candidate("hint", authority="guideline")]
        )
        assert isinstance(verdict, Grounded)
        assert [chunk.chunk_id for chunk in verdict.context] == ["hint", "odd"]


CANDIDATES = st.lists(
    st.builds(
        lambda similarity, coverage, authority, n: candidate(
            f"k{n}", similarity=similarity, coverage=coverage, authority=authority
        ),
        st.floats(-1, 1),
        st.floats(0, 1),
        st.sampled_from([None, "mandatory", "guideline", "informational"]),
        st.integers(0, 99),
    ),
    max_size=12,
)


@given(CANDIDATES, st.floats(0, 1))
def test_a_bot_answers_exactly_when_the_best_evidence_reaches_the_floor(
    candidates: list[Candidate], floor: float
) -> None:
    verdict = judge(candidates, floor)
    best = max((one.evidence for one in candidates), default=0.0)
    assert isinstance(verdict, Grounded) == (bool(candidates) and best >= floor)
    assert verdict.best == best
    if isinstance(verdict, Grounded):
        kept = {id(one) for one in verdict.context}
        assert len(kept) == len(verdict.context) == min(CONTEXT_LIMIT, len(candidates))
        for one in candidates[:CONTEXT_LIMIT]:
            assert id(one) in kept or verdict.context[0].authority == "mandatory"
