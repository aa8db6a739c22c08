"""From found chunks to passages worth reading: neighbours joined, the same text only once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

LONGEST = 2400
"""Characters up to which neighbours are joined: what an answer still reads."""
WIDEST_GAP = 3
"""Blanks between two chunks of a section; more lies between sections."""
ALIKE = 0.85
"""Share of common words from which two passages say the same."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk stands."""

    source_id: str
    revision: int
    ordinal: int
    start: int
    end: int
    heading: str | None
    text: str
    page: int | None = None

    def joined(self, behind: "Place") -> "Place":
        """Both, with the exact span from here to the end of `behind`."""
        gap = behind.start - self.end
        between = " " * gap if gap < WIDEST_GAP - 1 else "\n" * (WIDEST_GAP - 1) + " " * (gap - 2)
        text = self.text + between + behind.text if gap >= 0 else self.text + behind.text[-gap:]
        return replace(self, end=behind.end, text=text)


T = TypeVar("T")


def neighbours(found: Sequence[T], place: Callable[[T], Place]) -> list[list[T]]:
    """`found`, best first, with chunks that stand side by side brought together.

    Each group is in the order of the text; groups stand in the order of their best chunk.
    """
    by_text = sorted(enumerate(found), key=lambda ranked: _order(place(ranked[1])))
    groups: list[list[tuple[int, T]]] = []
    for rank, one in by_text:
        if groups and _continues([place(before) for _, before in groups[-1]], place(one)):
            groups[-1].append((rank, one))
        else:
            groups.append([(rank, one)])
    groups.sort(key=lambda group: min(rank for rank, _ in group))
    return [[one for _, one in group] for group in groups]


def united(places: Sequence[Place]) -> Place:
    """One place of a group of neighbours. `ordinal` is that of the first."""
    whole = places[0]
    for before, behind in pairwise(places):
        assert before.end <= behind.end  # noqa: S101  groups are in the order of the text
        whole = whole.joined(behind)
    return whole


def distinct(found: Sequence[T], text: Callable[[T], str]) -> list[T]:
    """`found` without what only repeats something better."""
    bits: dict[str, int] = {}
    kept: list[tuple[T, int, int]] = []
    for one in found:
        words = frozenset(text(one).split())
        # A number with a bit for each word: two are compared in a tenth of the time of two sets.
        mask = 0
        for word in words:
            mask |= 1 << bits.setdefault(word, len(bits))
        if not any(_alike(mask, len(words), *other) for _, *other in kept):
            kept.append((one, mask, len(words)))
    return [one for one, _, _ in kept]


def _order(place: Place) -> tuple[str, int, int]:
    return place.source_id, place.revision, place.ordinal


def _continues(group: Sequence[Place], behind: Place) -> bool:
    first, last = group[0], group[-1]
    return (
        (last.source_id, last.revision, last.heading, last.page)
        == (behind.source_id, behind.revision, behind.heading, behind.page)
        and last.ordinal + 1 == behind.ordinal
        and behind.start - last.end <= WIDEST_GAP
        and behind.end - first.start <= LONGEST
    )


def _alike(left: int, words: int, right: int, others: int) -> bool:
    """By two sets of words as bits, and how many each holds."""
    if min(words, others) <= ALIKE * max(words, others):
        return False  # most are told apart by their length alone
    common = (left & right).bit_count()
    return common / (words + others - common) > ALIKE
