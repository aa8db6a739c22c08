"""Terms of texts in any language: four letters of a word at a time, and whole words.

BM25 over character 4-grams needs neither a language nor a stemmer, finds parts of compounds and
inflected forms, and across languages whatever is spelled alike (`folding`). Whole words on top
favour the exact form. Where a script has no blanks between words, pairs of characters are terms,
and single ones too where each has a meaning.
The same term numbers serve the embedded engine and the server, so both rank alike.
"""

import re
import zlib

import numpy as np
import numpy.typing as npt

from services.chat.adapters.folding import CJK, fold
from services.chat.ports import Sparse

K1, B = 2.0, 0.9
"""BM25: repeated terms count for long, and long chunks have to be better."""
AVERAGE_LENGTH = 800
"""Terms of a typical chunk; ranking hardly depends on it."""
SHORTEST_WORD = 3
BLANK = 32
FIRST_IDEOGRAPH = 0x3400
"""From here on a character of a script without blanks has a meaning of its own."""
PAIR = re.compile(f"[{CJK}]")
PRIMES = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)
"""Odd factors that spread a letter over 64 bits, one for each place in a term."""

SHIFT = np.uint64(29)
WORDS = zlib.crc32(b"=")
"""Where the number of a whole word begins."""

Numbers = npt.NDArray[np.uint32]


def document_terms(text: str) -> Sparse:
    """Weighted terms of a chunk: BM25 but for the rarity of terms, which the engine knows."""
    numbers, counts = np.unique(terms(text), return_counts=True)
    length = float(counts.sum())
    weights = counts * (K1 + 1) / (counts + K1 * (1 - B + B * length / AVERAGE_LENGTH))
    return Sparse(numbers.tolist(), weights.tolist())


def query_terms(text: str) -> Sparse:
    """Terms of a question, each once."""
    numbers = np.unique(terms(text))
    return Sparse(numbers.tolist(), [1.0] * len(numbers))


def terms(text: str) -> Numbers:
    """Every term of `text` as a number of 32 bits, as often as it stands there."""
    folded = fold(text)
    letters = np.frombuffer(folded.encode("utf-32-le"), "<u4").astype(np.uint64)
    blank = letters == BLANK
    han = np.zeros(len(letters), bool) if folded.isascii() else _han(letters)
    found = [
        _windows(letters, 4, _inside(blank, han, 4)),
        _windows(letters, 3, _single(blank)),
        _words(folded),
    ]
    if han.any():
        found += [
            _windows(letters, 2, han[:-1] & han[1:]),
            _windows(letters, 1, han & (letters >= FIRST_IDEOGRAPH)),
        ]
    return np.concatenate(found)


def is_pair(word: str) -> bool:
    """Whether a word is of a script without blanks, whose terms are pairs of characters."""
    return PAIR.search(fold(word)) is not None


def pieces(word: str) -> list[str]:
    """The letters of a word's terms, to look for them in a folded text."""
    folded = fold(word)
    if PAIR.search(folded):
        return pairs(folded.strip())
    return [folded[n : n + 4] for n in range(max(1, len(folded) - 3))]


def pairs(run: str) -> list[str]:
    """The pairs of characters of a run; of a single one itself."""
    return [run[n : n + 2] for n in range(max(1, len(run) - 1))]


def _windows(letters: npt.NDArray[np.uint64], size: int, wanted: npt.NDArray[np.bool_]) -> Numbers:
    at = np.flatnonzero(wanted)
    mixed = np.full(len(at), size, np.uint64)
    for place in range(size):
        mixed ^= letters[place:].take(at)
        mixed *= PRIMES[place]
        mixed ^= mixed >> SHIFT
    return (mixed >> np.uint64(32)).astype(np.uint32)


def _inside(
    blank: npt.NDArray[np.bool_], han: npt.NDArray[np.bool_], size: int
) -> npt.NDArray[np.bool_]:
    """Where a window lies within one word, its two ends may be blanks."""
    count = max(0, len(blank) - size + 1)
    inside = np.ones(count, bool)
    for place in range(size):
        inside &= ~han[place : place + count]
        if 0 < place < size - 1:
            inside &= ~blank[place : place + count]
    return inside


def _single(blank: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where a word of one letter stands between two blanks."""
    count = max(0, len(blank) - 2)
    return blank[:count] & ~blank[1 : 1 + count] & blank[2 : 2 + count]


def _han(letters: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(letters), bool)
    for first, last in ((0x2E80, 0x303F), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF)):
        found |= (letters >= first) & (letters <= last)
    return found


def _words(folded: str) -> Numbers:
    words = (word.encode() for word in folded.split() if len(word) >= SHORTEST_WORD)
    return np.array([zlib.crc32(word, WORDS) for word in words], np.uint32)
