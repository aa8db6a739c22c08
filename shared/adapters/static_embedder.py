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


def _tokens(word: str) -> list[int]:
    found: list[int] = _model().tokenizer.encode(word, add_special_tokens=False).ids
    return found


@lru_cache(maxsize=1)
def _lengths() -> npt.NDArray[np.float32]:
    lengths: npt.NDArray[np.float32] = np.linalg.norm(_model().embedding, axis=1)
    return lengths


@lru_cache(maxsize=1)
def _model() -> Any:
    import wordllama  # noqa: PLC0415  50 MB that a process without queries need not load

    # Without `cache_dir` the loader looks beside its own files and then asks a hub.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
