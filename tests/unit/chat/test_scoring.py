"""How good an answer is, by rules alone."""

from typing import Any

import pytest

from services.chat.domain.scoring import Seen, Tried, failed, scored
from tests.unit.chat.testing import case


def tried(answer: str = "Seven years [1].", **fields: Any) -> Tried:
    seen = (Seen({"s1", "Manual"}, used=True), Seen({"s2", "Leaflet"}, used=False))
    return Tried(
        **{
            "answer": answer,
            "refused": False,
            "cites": True,
            "evidence": 0.8,
            "seen": seen,
            **fields,
        }
    )


REFUSED: dict[str, Any] = {"refused": True, "cites": False}


class TestAnExpectedSource:
    def test_counts_by_its_rank(self) -> None:
        first = scored(case(expected_sources=("manual",)), tried())
        assert (first.source_rank, first.source_found, first.score) == (1, True, 1.0)
        second = scored(case(expected_sources=("s2",)), tried())
        assert (second.source_rank, second.source_found, second.score) == (2, False, 0.5)

    def test_that_was_not_found_is_worth_nothing(self) -> None:
        none = scored(case(expected_sources=("Novel",)), tried())
        assert (none.source_rank, none.source_found, none.score) == (None, False, 0.0)

    def test_may_be_any_of_several(self) -> None:
        assert scored(case(expected_sources=("Novel", "s1")), tried()).source_rank == 1

    def test_is_not_asked_for_by_every_case(self) -> None:
        assert scored(case(), tried()).source_found is None


class TestPhrases:
    def test_are_looked_for_without_regard_to_case_width_and_blanks(self) -> None:
        told = tried("SEVEN \n years\uff01")
        assert scored(case(must=("seven years!",)), told).phrases == 1.0

    def test_are_counted_each(self) -> None:
        rules = case(must=("seven", "eight"), must_not=("nine", "years"))
        assert scored(rules, tried()).phrases == 0.5

    def test_are_not_found_in_the_numbers_of_citations(self) -> None:
        assert scored(case(must_not=("1",)), tried("Seven [1].")).phrases == 1.0


class TestAnExpectedAnswer:
    @pytest.mark.parametrize(
        ("expected", "overlap"),
        [("Seven years", 1.0), ("years", 0.666667), ("A decade", 0.0), ("!", 0.0)],
    )
    def test_counts_by_the_words_in_common(self, expected: str, overlap: float) -> None:
        assert scored(case(expected_answer=expected), tried()).overlap == overlap


class TestRefusing:
    def test_is_worth_everything_where_it_is_right(self) -> None:
        right = scored(case(refused=True), tried(**REFUSED))
        assert (right.score, right.refusal_correct, right.grounded) == (1.0, True, False)

    def test_is_worth_nothing_where_it_is_wrong(self) -> None:
        wrong = scored(case(expected_sources=("s1",)), tried(**REFUSED))
        assert (wrong.score, wrong.refusal_correct) == (0.0, False)

    def test_must_not_be_missing_either(self) -> None:
        assert scored(case(refused=True), tried()).score == 0.0


class TestTheScore:
    def test_is_the_mean_of_what_is_asked_for(self) -> None:
        rules = case(expected_sources=("s2",), must=("seven",))
        assert scored(rules, tried()).score == 0.75
        assert scored(rules, tried(), rating=1).score == 0.5

    def test_tells_whether_the_answer_cites_if_nothing_is_asked_for(self) -> None:
        assert scored(case(), tried()).score == 1.0
        assert scored(case(), tried(cites=False)).score == 0.0

    def test_of_an_answer_that_did_not_come_is_nothing(self) -> None:
        assert (failed().score, failed().refusal_correct) == (0.0, False)
