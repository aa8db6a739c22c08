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
from cachetools import LRUCache

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
    known = {word: vector for word in found if (vector := _words.get(word)) is not None}
    fresh = [word for word in dict.fromkeys(found) if word not in known]
    embedding = _model().embedding
    # Words of one call are padded to one length; the mask leaves the padding out.
    for word, encoded in zip(
        fresh, _model().tokenizer.encode_batch(fresh, add_special_tokens=False), strict=True
    ):
        vector = np.float32(encoded.attention_mask) @ embedding[encoded.ids]
        length = float(np.linalg.norm(vector))
        _words[word] = known[word] = vector / length if length else vector
    return np.array([known[word] for word in found], np.float32).reshape(len(found), DIMENSION)


def load() -> None:
    """Read the model from disk, which takes tenths of a second, before the first text comes."""
    _model()
    _lengths()


def _tokens(word: str) -> list[int]:
    found: list[int] = _model().tokenizer.encode(word, add_special_tokens=False).ids
    return found


_words: LRUCache[str, Vectors] = LRUCache(REMEMBERED)


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
