"""How much of a question a passage holds: the share of its words, weighed by how rare they are."""

import math
from collections.abc import Sequence

import numpy as np

from services.chat.adapters.folding import fold
from services.chat.adapters.lexical import pieces

FOUND = 0.7
"""Share of a word's 4-grams from which it counts as standing in a passage."""


def coverages(words: Sequence[str], texts: Sequence[str], *, foreign: bool) -> list[float]:
    """For each of `texts`, the share of `words` that it holds, between 0 and 1.

    A word counts by the square of the share of its 4-grams that stand there, so that an inflected
    form counts nearly whole and a chance likeness hardly; in texts of a `foreign` language by the
    share itself, for there only parts can be the same. Words are weighed by how few of `texts`
    have them: these are the best the index has, so a word that none of them has is missing.
    """
    if not words or not texts:
        return [0.0] * len(texts)
    wanted = [pieces(word) for word in words]
    shares = np.array([[_share(parts, fold(text)) for parts in wanted] for text in texts])
    presence = shares if foreign else shares**2
    having = (shares >= FOUND).sum(axis=0)
    rarity = np.array([_rarity(int(count), len(texts)) for count in having])
    return [float(share) for share in (presence * rarity).sum(axis=1) / rarity.sum()]


def _share(parts: Sequence[str], folded: str) -> float:
    return sum(part in folded for part in parts) / len(parts)


def _rarity(having: int, total: int) -> float:
    """The inverse document frequency of BM25."""
    return math.log(1 + (total - having + 0.5) / (having + 0.5))
