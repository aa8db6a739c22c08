"""Whether one variant is better than another, and how sure that is.

Paired bootstrap: questions are drawn again and again with replacement, and both variants are
compared on the same draw. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993),
chapters 13 and 16; for systems that answer the same items, Koehn, "Statistical Significance Tests
for Machine Translation Evaluation" (EMNLP 2004).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 4000
NOTHING = 1e-12
"""What differs by less than rounding is no difference."""
LEVEL = 0.95
"""Of the interval, and from which a difference counts as significant."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of the mean scores of a variant and the first one, over the questions that both have."""

    questions: int
    mean: float
    low: float
    high: float
    """The interval that holds the difference with a probability of `LEVEL`."""
    confidence: float
    """Share of the draws in which the variant is better; draws where both are equal count half."""
    wins: int
    losses: int
    ties: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves no difference out."""
        return self.low > 0 or self.high < 0


def difference(baseline: Sequence[float], variant: Sequence[float], seed: int) -> Difference:
    """Of two lists of scores, question by question. The same seed gives the same numbers.

    Raises `ValueError` if they are not as long as each other, or empty.
    """
    if len(baseline) != len(variant) or not baseline:
        raise ValueError("as many scores of the one as of the other, and at least one")
    gains = np.asarray(variant, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(gains), size=(DRAWS, len(gains)))
    means = gains[drawn].mean(axis=1)
    means[np.abs(means) < NOTHING] = 0.0
    rest = (1 - LEVEL) / 2
    low, high = np.quantile(means, [rest, 1 - rest])
    better = np.count_nonzero(means > 0) + np.count_nonzero(means == 0) / 2
    return Difference(
        questions=len(gains),
        mean=round(float(gains.mean()), 6),
        low=round(float(low), 6),
        high=round(float(high), 6),
        confidence=round(float(better) / DRAWS, 4),
        wins=int(np.count_nonzero(gains > 0)),
        losses=int(np.count_nonzero(gains < 0)),
        ties=int(np.count_nonzero(gains == 0)),
    )
