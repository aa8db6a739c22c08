"""The bundled embedder: static word vectors of WordLlama, 256 dimensions, no download.

Vectors of a text are pooled token vectors (https://github.com/dleemiller/WordLlama): fast enough
for one query on an event loop, and honest about being weaker than a sentence model.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MODEL = "local/wordllama-256"
DIMENSION = 256
REMEMBERED = 16_384
"""Words whose vectors are kept, some 20 MB: most texts are made of the same ones."""

Vectors = npt.NDArray[np.float32]


def embed(texts: Sequence[str]) -> list[bytes]:
    """One unit vector per text, as little-endian float32 bytes. About 0.2 ms a chunk.

    A text without a word has the vector of zeros, which is like none.
    """
    with np.errstate(invalid="ignore"):
        vectors = _model().embed(list(texts), norm=True)
    return [row.tobytes() for row in np.nan_to_num(np.asarray(vectors, dtype="<f4"))]


def similarity(left: bytes, right: bytes) -> float:
    """Cosine of two unit vectors, between -1 and 1."""
    return float(np.dot(np.frombuffer(left, "<f4"), np.frombuffer(right, "<f4")))


def weights(words: Sequence[str]) -> list[float]:
    """How much each word means to the model: the summed lengths of its tokens' vectors.

    Training has made those of common words short, so this works like a rarity in the language,
    without a list of frequencies.
    """
    return [sum(float(_lengths()[n]) for n in _tokens(word)) for word in words]


def words(found: Sequence[str]) -> Vectors:
    """One unit vector per word, a row each; zeros for a word without a token."""
    if len(found) > REMEMBERED:
        return np.concatenate([words(found[:REMEMBERED]), words(found[REMEMBERED:])])
    try:
        rows = [_rows[word] for word in found]
    except KeyError:
        rows = _known(found)
    vectors: Vectors = _vectors().take(np.array(rows, np.intp), axis=0)
    return vectors


def _known(found: Sequence[str]) -> list[int]:
    """The rows of these words; when there are too many, all that were kept are forgotten first."""
    fresh = [word for word in dict.fromkeys(found) if word not in _rows]
    if len(_rows) + len(fresh) > REMEMBERED:
        _rows.clear()
        fresh = list(dict.fromkeys(found))
    _remember(fresh)
    return [_rows[word] for word in found]


def _remember(fresh: Sequence[str]) -> None:
    embedding, vectors = _model().embedding, _vectors()
    # Words of one call are padded to one length; the mask leaves the padding out.
    for word, encoded in zip(
        fresh, _model().tokenizer.encode_batch(fresh, add_special_tokens=False), strict=True
    ):
        vector = np.float32(encoded.attention_mask) @ embedding[encoded.ids]
        length = float(np.linalg.norm(vector))
        row = len(_rows)
        vectors[row] = vector / length if length else vector
        _rows[word] = row


def load() -> None:
    """Read the model from disk, which takes tenths of a second, before the first text comes."""
    _model()
    _lengths()


def _tokens(word: str) -> list[int]:
    found: list[int] = _model().tokenizer.encode(word, add_special_tokens=False).ids
    return found


_rows: dict[str, int] = {}
"""Of words in `_vectors`."""


@lru_cache(maxsize=1)
def _vectors() -> Vectors:
    """Memory is taken as rows are written."""
    return np.zeros((REMEMBERED, DIMENSION), np.float32)


@lru_cache(maxsize=1)
def _lengths() -> Vectors:
    lengths: Vectors = np.linalg.norm(_model().embedding, axis=1)
    return lengths


@lru_cache(maxsize=1)
def _model() -> Any:
    import wordllama  # noqa: PLC0415  50 MB that a process without queries need not load

    # Without `cache_dir` the loader looks beside its own files and then asks a hub.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
