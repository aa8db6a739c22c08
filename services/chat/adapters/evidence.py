"""What speaks for a passage: how much of the question it holds, and how unlike the others it is.

The measures and weights were chosen by measuring: see the decision on evidence.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from services.chat.adapters.folding import fold
from services.chat.adapters.lexical import is_pair, pieces
from services.chat.domain.calibration import Calibration
from shared.adapters import static_embedder

FOUND = 0.7
"""Share of a word's 4-grams from which it counts as standing in a passage."""
LONGEST = 8
"""Letters; a word that is longer does not weigh more."""
PAIR_LETTERS = 4
"""Letters that two Chinese characters are worth."""
FEW = 5
"""Other passages from which their own likeness tells what chance gives."""

Numbers = npt.NDArray[np.float64]


def coverages(
    words: Sequence[str],
    texts: Sequence[str],
    *,
    foreign: bool,
    meanings: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[float]:
    """For each of `texts`, how much of `words` it holds, between 0 and 1.

    The mean of two shares. One counts a word by the share of its 4-grams that stand there, weighed
    by its length. The other squares that share, so that an inflected form counts nearly whole and a
    chance likeness hardly, and weighs a word by how much it means and how few of `texts` have it:
    these are the best the index has, so a word that none of them has is missing. In texts of a
    `foreign` language a word counts as one of its `meanings` if that stands there, and it is the
    second share, by rarity alone: what the model knows of words is English.
    """
    terms = terms_of(words)
    if not terms or not texts:
        return [0.0] * len(texts)
    wanted = [[pieces(said) for said in (term, *meanings.get(term, ()))] for term in terms]
    shares = np.array(
        [[max(_share(parts, fold(text)) for parts in one) for one in wanted] for text in texts]
    )
    having = (shares >= FOUND).sum(axis=0)
    rarity = np.array([_rarity(int(count), len(texts)) for count in having])
    if foreign:
        return _list(_mean(shares**2, rarity))
    meaning = np.array(static_embedder.weights(terms)) + 1e-6
    letters = np.array([_letters(term) for term in terms])
    return _list((_mean(shares, letters) + _mean(shares**2, meaning * rarity)) / 2)


def likenesses(
    cosines: Sequence[float], languages: Sequence[str | None], numbers: Calibration
) -> list[float]:
    """How far each cosine stands above what chance gives, at least 0.

    What chance gives is the middle of the other passages in the same language, or, where there are
    only a few, what was measured for the language: static vectors of Russian texts are all alike,
    those of English ones are not.
    """
    found = []
    for n, (cosine, language) in enumerate(zip(cosines, languages, strict=True)):
        others = [
            other
            for m, (other, spoken) in enumerate(zip(cosines, languages, strict=True))
            if m != n and spoken == language
        ]
        chance = median(others) if len(others) >= FEW else numbers.chance_of(language)
        found.append(max(0.0, cosine - chance))
    return found


def terms_of(words: Sequence[str]) -> list[str]:
    """Words, and the pairs of characters of runs that are written without blanks."""
    found: list[str] = []
    for word in words:
        found += pieces(word) if is_pair(word) else [word]
    return list(dict.fromkeys(found))


def _share(parts: Sequence[str], folded: str) -> float:
    return sum(part in folded for part in parts) / len(parts)


def _letters(term: str) -> int:
    """At least one: folding leaves nothing of a word that is only a mark."""
    return PAIR_LETTERS if is_pair(term) else max(1, min(len(fold(term).strip()), LONGEST))


def _mean(shares: Numbers, weights: Numbers) -> Numbers:
    mean: Numbers = shares @ (weights / weights.sum())
    return mean


def _list(numbers: Numbers) -> list[float]:
    return [float(number) for number in numbers]


def _rarity(having: int, total: int) -> float:
    """The inverse document frequency of BM25."""
    return math.log(1 + (total - having + 0.5) / (having + 0.5))
