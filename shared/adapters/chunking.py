"""From normalised text to chunks. Pure functions; they run in worker processes."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from shared.adapters.text import sections

ENDED = re.compile(r"[.!?:;\u2026\u3002\uff01\uff1f|][\"'\u201c\u201d\u00bb\u2019)\]]*\s*$")
"""The end of a sentence, or of a table's row."""
TAIL = 20
ANCHOR = 100
"""Characters of a chunk below which it is not looked for: the same words stand elsewhere too."""
WINDOW = 50_000
"""How far behind the chunk before an old one is looked for."""
SPARE = 1.25
"""How many times as many chunks as a fresh division has may come of keeping old ones."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text[start:end]`, below the heading path `heading`."""

    start: int
    end: int
    heading: str | None


def split(
    text: str,
    max_chars: int,
    overlap: int,
    *,
    pages: Sequence[tuple[int, int]] = (),
    before: Sequence[str] = (),
) -> list[Chunk]:
    """Chunks of at most `max_chars` characters in order; sections are never mixed.

    Nor are `pages`, so that a citation names the right one, unless a sentence goes on over the
    page. Within a section the cut is at the coarsest boundary that fits: paragraph, sentence, word
    (`semantic-text-splitter`). A heading stays with the text below it.

    `before` are the chunks of the revision before. Where they still stand in the text they are
    kept, and only what lies between them is divided anew: a change would else move every cut
    behind it.
    """
    from semantic_text_splitter import TextSplitter  # noqa: PLC0415  loaded in workers

    splitter = TextSplitter(max_chars, overlap=overlap)
    parts = list(_parts(text, pages))
    fresh = _divided(text, splitter, parts, [])
    if not before:
        return fresh
    kept = _divided(text, splitter, parts, list(_found(text, before)))
    return kept if len(kept) <= len(fresh) * SPARE + 1 else fresh


def _parts(text: str, pages: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, str | None]]:
    """Sections, cut where a page ends."""
    breaks = [start for start, _ in pages if ENDED.search(text[max(0, start - TAIL) : start])]
    for begin, end, heading in sections(text):
        inside = breaks[bisect_right(breaks, begin) : bisect_left(breaks, end)]
        for start, stop in pairwise([begin, *inside, end]):
            yield start, stop, heading


def _found(text: str, before: Sequence[str]) -> Iterator[Range]:
    """Where chunks of the revision before stand in the text, in their order."""
    at = 0
    for chunk in before:
        if len(chunk) < ANCHOR:
            continue
        start = text.find(chunk, at, at + WINDOW + len(chunk))
        if start >= 0:
            yield start, start + len(chunk)
            at = start + 1


def _divided(
    text: str,
    splitter: Any,
    parts: Sequence[tuple[int, int, str | None]],
    kept: Sequence[Range],
) -> list[Chunk]:
    starts = [start for start, _ in kept]
    chunks = []
    for start, stop, heading in parts:
        inside = kept[bisect_left(starts, start) : bisect_left(starts, stop)]
        within = [(first, last) for first, last in inside if last <= stop]
        found = [*within, *_gaps(text, splitter, start, stop, within)]
        chunks += [Chunk(first, last, heading) for first, last in sorted(found)]
    return chunks


def _gaps(
    text: str, splitter: Any, start: int, stop: int, within: Sequence[Range]
) -> Iterator[Range]:
    """Chunks of what is not kept between `start` and `stop`."""
    at = start
    for first, last in [*within, (stop, stop)]:
        if at < first:
            for offset, piece in splitter.chunk_indices(text[at:first]):
                if piece.strip():
                    yield at + offset, at + offset + len(piece)
        at = max(at, last)
