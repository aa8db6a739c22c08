"""What floor a set asks for: how many questions are answered and refused at each, per language.

The numbers of `services/chat/domain/calibration.py` come from here: `telling` is the present one
times the floor that this table shows best over the floor in use, `chance` the middle cosine of
passages that do not answer.
"""

from collections.abc import Sequence
from statistics import median, quantiles

from bench.retrieval.run import Figures
from bench.retrieval.sets import Kind

KEPT = (0.99, 0.97, 0.95, 0.9)
"""Shares of the answerable questions that are still answered."""
HEADER = "| language | answered | floor | refused: out of scope | refused: unanswerable | chance |"


def floors(found: dict[str, Figures]) -> str:
    """A Markdown table: for each language, the floors that keep these shares."""
    lines = [HEADER, "|---" * HEADER.count(" | ") + "|---|"]
    for language, one in sorted(found.items()):
        chance = f"{median(one.strange):.2f}" if one.strange else ""
        for kept in KEPT:
            floor = below(one.best["answerable"], 1 - kept)
            cells = [language, f"{kept:.2f}", f"{floor:.3f}"]
            cells += [_refused(one, kind, floor) for kind in ("out-of-scope", "unanswerable")]
            lines.append(f"| {' | '.join([*cells, chance])} |")
    return "\n".join(lines)


def below(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    if len(values) < 2:
        return sum(values)
    return quantiles(values, n=100, method="inclusive")[round(100 * share) - 1]


def _refused(one: Figures, kind: Kind, floor: float) -> str:
    best = one.best[kind]
    return f"{sum(value < floor for value in best) / len(best):.3f}" if best else ""
