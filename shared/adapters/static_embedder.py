"""The bundled embedder: static word vectors of WordLlama, 256 dimensions, no download.

Vectors of a text are pooled token vectors (https://github.com/dleemiller/WordLlama): fast enough
for one query on an event loop, and honest about being weaker than a sentence model.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

MODEL = "local/wordllama-256"
DIMENSION = 256
REMEMBERED = 16_384
"""Words whose vectors are kept, some 20 MB: most texts are made of the same ones."""
PIECE = re.compile(r" *+[^ \n]++| ++|\n")
"""What is tokenised by itself: no token of the model reaches from a letter over a blank, or over
the end of a line."""
LONGEST_KEPT = 32
"""Letters of a piece beyond which it will hardly come again."""
AT_ONCE = 256
"""Pieces whose vectors are added up at a time, within a cache of the processor."""

Vectors = npt.NDArray[np.float32]


def embed(texts: Sequence[str]) -> list[bytes]:
    """One unit vector per text, as little-endian float32 bytes. About 0.1 ms a chunk.

    A text without a word has the vector of zeros, which is like none.
    """
    return [_unit(_sum(text)).astype("<f4").tobytes() for text in texts]


def similarity(left: bytes, right: bytes) -> float:
    """Cosine of two unit vectors, between -1 and 1."""
    return float(np.dot(np.frombuffer(left, "<f4"), np.frombuffer(right, "<f4")))


def weights(words: Sequence[str]) -> list[float]:
    """How much each word means to the model: the summed lengths of its tokens' vectors.

    Training has made those of common words short, so this works like a rarity in the language,
    without a list of frequencies.
    """
    return [sum(float(_lengths()[n]) for n in _tokens(f" {word}")) for word in words]


def words(found: Sequence[str]) -> Vectors:
    """One unit vector per word, a row each; zeros for a word without a token."""
    if len(found) > REMEMBERED:
        return np.concatenate([words(found[:REMEMBERED]), words(found[REMEMBERED:])])
    return _units.of(found)


def load() -> None:
    """Read the model from disk, which takes tenths of a second, before the first text comes."""
    _model()
    _lengths()


class _Kept:
    """Vectors of words that come again and again; `made` makes those of others. Threads take
    turns: what one looks up must not be forgotten by another before it is copied.
    """

    def __init__(self, made: Callable[[Sequence[str]], list[Vectors]]) -> None:
        self._made = made
        self._turn = Lock()
        self._rows: dict[str, int] = {}
        # Memory is taken as rows are written.
        self._vectors: Vectors = np.zeros((REMEMBERED, DIMENSION), np.float32)
        self._part: Vectors = np.zeros((AT_ONCE, DIMENSION), np.float32)

    def of(self, found: Sequence[str]) -> Vectors:
        """A row each, of no more than are remembered."""
        with self._turn:
            vectors: Vectors = self._vectors.take(self._rows_of(found), axis=0)
        return vectors

    def sum(self, found: Sequence[str]) -> Vectors:
        """Of the vectors of all of them, each as often as it comes."""
        total: Vectors = np.zeros(DIMENSION, np.float32)
        for first in range(0, len(found), AT_ONCE):
            with self._turn:
                rows = self._rows_of(found[first : first + AT_ONCE])
                # Into memory that is there: to get some for each text takes longer than to add up.
                part = self._vectors.take(rows, axis=0, out=self._part[: len(rows)], mode="clip")
                total += part.sum(axis=0)
        return total

    def _rows_of(self, found: Sequence[str]) -> npt.NDArray[np.intp]:
        try:
            rows = list(map(self._rows.__getitem__, found))
        except KeyError:
            rows = self._known(found)
        return np.array(rows, np.intp)

    def _known(self, found: Sequence[str]) -> list[int]:
        """When there are too many, all that were kept are forgotten first."""
        fresh = [word for word in dict.fromkeys(found) if word not in self._rows]
        if len(self._rows) + len(fresh) > REMEMBERED:
            self._rows.clear()
            fresh = list(dict.fromkeys(found))
        for word, vector in zip(fresh, self._made(fresh), strict=True):
            row = len(self._rows)
            self._vectors[row] = vector
            self._rows[word] = row
        return [self._rows[word] for word in found]


def _sum(text: str) -> Vectors:
    """Of the vectors of all its tokens."""
    pieces = PIECE.findall(f" {text}") if text else []
    if max(map(len, pieces), default=0) <= LONGEST_KEPT:
        return _sums.sum(pieces)
    total = _sums.sum([piece for piece in pieces if len(piece) <= LONGEST_KEPT])
    for vector in _summed([piece for piece in pieces if len(piece) > LONGEST_KEPT]):
        total += vector
    return total


def _summed(pieces: Sequence[str]) -> list[Vectors]:
    """Of each the sum of its tokens' vectors."""
    embedding = _model().embedding
    return [embedding[_tokens(piece)].sum(axis=0) for piece in pieces]


def _unit(vector: Vectors) -> Vectors:
    length = np.float32(np.linalg.norm(vector))
    return vector / length if length else vector


def _unit_words(found: Sequence[str]) -> list[Vectors]:
    return [_unit(vector) for vector in _summed([f" {word}" for word in found])]


def _tokens(piece: str) -> list[int]:
    found: list[int] = _model().tokenizer.encode(piece, add_special_tokens=False).ids
    return found


_sums = _Kept(_summed)
"""Of pieces of texts."""
_units = _Kept(_unit_words)
"""Of words."""


@lru_cache(maxsize=1)
def _lengths() -> Vectors:
    lengths: Vectors = np.linalg.norm(_model().embedding, axis=1)
    return lengths


@lru_cache(maxsize=1)
def _model() -> Any:
    import wordllama  # noqa: PLC0415  50 MB that a process without queries need not load
    from tokenizers.normalizers import Replace  # noqa: PLC0415  comes with it

    # Without `cache_dir` the loader looks beside its own files and then asks a hub.
    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    # It puts a blank in front of a text, which a piece brings along.
    model.tokenizer.normalizer = Replace(" ", "\u2581")
    model.tokenizer.no_padding()
    return model
