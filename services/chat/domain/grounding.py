"""Grounded or silent: whether what was found is enough to answer from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.chat.domain.calibration import STATIC

FLOOR = STATIC.floor
"""Evidence below which a bot refuses, with the bundled embedder.

A question on topic whose answer is missing cannot be told apart by retrieval; that is for the
model to say.
"""
CONTEXT_LIMIT = 5
BINDING = 0.8
"""Share of the floor from which a mandatory passage is kept, however many others rank before it."""
LIKENESS, COVERAGE = 0.31, 0.69
"""Weights of what speaks for a passage: each alone is fooled more easily."""
AUTHORITY_ORDER = ("mandatory", "guideline", "informational")


FOREIGN_LIKENESS, FOREIGN_COVERAGE = 0.62, 0.76
"""The same, for a question in a language that the knowledge base does not have: a word may be
none of those that the lexicon has for it, so likeness counts for more."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A found chunk, with what speaks for it."""

    chunk_id: str
    source_id: str
    text: str
    score: float
    """Of the fused ranking; says nothing about relevance by itself."""
    similarity: float
    """Cosine of question and chunk."""
    coverage: float
    """Share of the question's terms in the chunk."""
    authority: str | None = None
    likeness: float | None = None
    """The similarity above what chance gives; unknown: the similarity itself."""

    worth: float = 1.0
    """What evidence is multiplied by, for the language of the text, or of a foreign question."""
    foreign: bool = False
    """Whether the question is in a language that the knowledge base does not have."""

    @property
    def evidence(self) -> float:
        """Between 0 and 1."""
        likeness = max(self.similarity if self.likeness is None else self.likeness, 0.0)
        if self.foreign:
            told = FOREIGN_LIKENESS * likeness + FOREIGN_COVERAGE * self.coverage
        else:
            told = LIKENESS * likeness + COVERAGE * self.coverage
        return min(1.0, self.worth * told)


@dataclass(frozen=True, slots=True)
class Grounded:
    """Enough was found: the chunks to answer from, in the order the model sees them."""

    context: Sequence[Candidate]
    best: float


@dataclass(frozen=True, slots=True)
class Silent:
    """Not enough was found, and why."""

    reason: Literal["nothing_found", "below_floor"]
    best: float


def floor_of(wanted: float | None) -> float:
    """The floor that a bot's settings ask for, or the measured one."""
    return FLOOR if wanted is None else wanted


def judge(
    candidates: Sequence[Candidate], floor: float = FLOOR, limit: int | None = None
) -> Grounded | Silent:
    """Whether to answer, and from what: mandatory passages first, then guidelines, then by rank.

    From `limit` passages at most; None: from `CONTEXT_LIMIT`.

    A mandatory passage that has something to do with the question is never displaced by others.
    """
    if not candidates:
        return Silent("nothing_found", 0.0)
    best = max(candidate.evidence for candidate in candidates)
    if best < floor:
        return Silent("below_floor", best)
    ranked = list(enumerate(candidates))
    most = CONTEXT_LIMIT if limit is None else limit
    binding = [(rank, one) for rank, one in ranked if _binds(one, floor)][:most]
    others = [(rank, one) for rank, one in ranked if not _binds(one, floor)]
    chosen = sorted([*binding, *others[: most - len(binding)]], key=_place)
    return Grounded([one for _, one in chosen], best)


def _place(ranked: tuple[int, Candidate]) -> tuple[int, int]:
    rank, candidate = ranked
    return _authority(candidate), rank


def _binds(candidate: Candidate, floor: float) -> bool:
    return candidate.authority == AUTHORITY_ORDER[0] and candidate.evidence >= BINDING * floor


def _authority(candidate: Candidate) -> int:
    if candidate.authority in AUTHORITY_ORDER:
        return AUTHORITY_ORDER.index(candidate.authority)
    return len(AUTHORITY_ORDER)
