"""How good an answer to a test case is, by rules alone."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.contracts.chat_playground import Scores, TestCase

WORD = re.compile(r"[^\W_]+")
CITED = re.compile(r"\s*\[\d{1,3}\]")
RATINGS = (1, 5)


@dataclass(frozen=True, slots=True)
class Seen:
    """A passage that was found, by whatever name a test case may expect its source."""

    names: Collection[str]
    used: bool
    """Whether the model got it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a variant did with a question."""

    answer: str
    refused: bool
    cites: bool
    evidence: float
    """The best that was found."""
    seen: Sequence[Seen]
    """Best first."""


def scored(case: TestCase, tried: Tried, rating: int | None = None) -> Scores:
    """A wrong refusal, or a wrong answer where one was to be refused, is worth nothing; a right
    refusal everything. Else it is the mean of all that the case asks for, and for a case that asks
    for nothing whether the answer cites its passages.
    """
    rank, found = _source(case.expected_sources, tried.seen)
    phrases = _phrases(case, tried.answer)
    overlap = None
    if case.expected_answer is not None and not tried.refused:
        overlap = _overlap(case.expected_answer, tried.answer)
    correct = tried.refused == case.refused
    parts = [
        None if not case.expected_sources else 0.0 if rank is None else 1 / rank,
        phrases,
        overlap,
        None if rating is None else (rating - RATINGS[0]) / (RATINGS[1] - RATINGS[0]),
    ]
    asked = [part for part in parts if part is not None]
    if not correct:
        score = 0.0
    elif tried.refused:
        score = 1.0
    else:
        score = sum(asked) / len(asked) if asked else float(tried.cites)
    return Scores(
        score=round(score, 6),
        source_rank=rank,
        source_found=found,
        phrases=phrases,
        overlap=None if overlap is None else round(overlap, 6),
        refusal_correct=correct,
        grounded=tried.cites and not tried.refused,
        evidence=round(tried.evidence, 6),
        rating=rating,
    )


def failed() -> Scores:
    """Of an answer that did not come."""
    return Scores(score=0.0, refusal_correct=False, grounded=False, evidence=0.0)


def _source(expected: Sequence[str], seen: Sequence[Seen]) -> tuple[int | None, bool | None]:
    if not expected:
        return None, None
    wanted = {_folded(name) for name in expected}
    hits = [bool(wanted & {_folded(name) for name in one.names}) for one in seen]
    rank = next((n for n, hit in enumerate(hits, 1) if hit), None)
    return rank, any(hit and one.used for hit, one in zip(hits, seen, strict=True))


def _phrases(case: TestCase, answer: str) -> float | None:
    rules = len(case.must) + len(case.must_not)
    if not rules:
        return None
    said = _folded(CITED.sub("", answer))
    kept = sum(_folded(phrase) in said for phrase in case.must)
    kept += sum(_folded(phrase) not in said for phrase in case.must_not)
    return kept / rules


def _folded(text: str) -> str:
    """Case, width of letters and blanks make no difference."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _overlap(expected: str, answer: str) -> float:
    """F1 of the words in common, as SQuAD counts it (Rajpurkar et al. 2016, section 6.1)."""
    wanted, said = _words(expected), _words(CITED.sub("", answer))
    common = (wanted & said).total()
    if not common:
        return 0.0
    precision, recall = common / said.total(), common / wanted.total()
    return 2 * precision * recall / (precision + recall)


def _words(text: str) -> Counter[str]:
    return Counter(WORD.findall(_folded(text)))
