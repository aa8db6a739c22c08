"""Which passages an answer is made from."""

from dataclasses import replace

from services.chat.domain.calibration import SENTENCE, STATIC, calibration
from services.chat.domain.grounding import (
    BINDING,
    CONTEXT_LIMIT,
    FLOOR,
    Candidate,
    Grounded,
    floor_of,
    judge,
)


def candidate(name: str, evidence: float, authority: str | None = None) -> Candidate:
    return Candidate(name, "s", name, 0.0, evidence, evidence, authority)


def test_a_mandatory_passage_is_kept_though_five_others_rank_before_it() -> None:
    others = [candidate(f"k{n}", 0.9) for n in range(CONTEXT_LIMIT)]
    rule = candidate("rule", FLOOR * BINDING + 0.01, "mandatory")
    verdict = judge([*others, rule])
    assert isinstance(verdict, Grounded)
    names = [one.chunk_id for one in verdict.context]
    assert names == ["rule", "k0", "k1", "k2", "k3"]


def test_a_mandatory_passage_that_has_nothing_to_do_with_it_is_not() -> None:
    others = [candidate(f"k{n}", 0.9) for n in range(CONTEXT_LIMIT)]
    verdict = judge([*others, candidate("rule", FLOOR * BINDING - 0.01, "mandatory")])
    assert isinstance(verdict, Grounded)
    assert "rule" not in [one.chunk_id for one in verdict.context]


def test_more_rules_than_places_are_cut_by_rank() -> None:
    verdict = judge([candidate(f"r{n}", 0.9, "mandatory") for n in range(8)])
    assert isinstance(verdict, Grounded)
    assert [one.chunk_id for one in verdict.context] == [f"r{n}" for n in range(CONTEXT_LIMIT)]


def test_across_languages_what_matches_counts_more() -> None:
    near = Candidate("a", "s", "a", 0.0, 0.3, 0.2)
    foreign = Candidate("a", "s", "a", 0.0, 0.3, 0.2, foreign=True)
    assert 1.0 >= foreign.evidence > near.evidence


def test_a_bot_may_ask_for_more_or_less_than_the_measured_evidence() -> None:
    assert floor_of(None) == FLOOR == STATIC.floor
    assert floor_of(0.0) == 0.0


def test_numbers_belong_to_the_embedding_model() -> None:
    assert calibration("local/wordllama-256") is STATIC
    assert calibration("text-embedding-3-small") is SENTENCE


def test_one_floor_fits_languages_whose_evidence_differs() -> None:
    near = Candidate("a", "s", "a", 0.0, 0.3, 0.3)
    assert near.evidence < FLOOR < replace(near, worth=STATIC.worth("ru")).evidence
    assert replace(near, worth=STATIC.worth("en")).evidence < FLOOR
    assert STATIC.worth("en") < STATIC.worth("xx") < STATIC.worth("ru")
    sure = Candidate("a", "s", "a", 0.0, 1.0, 1.0, worth=STATIC.worth("zh"))
    assert sure.evidence == 1.0
