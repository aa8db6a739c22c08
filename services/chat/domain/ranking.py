"""How two rankings of the same chunks become one."""

from collections.abc import Mapping

from services.chat.domain.calibration import STATIC

LEXICAL, DENSE = STATIC.lexical, STATIC.dense
"""Weights of the two rankings, as fit the bundled embedder."""


def fuse(
    dense: Mapping[str, float],
    lexical: Mapping[str, float],
    *,
    weights: tuple[float, float] = (LEXICAL, DENSE),
) -> list[tuple[str, float]]:
    """Ids and fused scores, best first, ties by id. `weights` are of the lexical, the dense score.

    `dense` holds cosines, `lexical` BM25 scores, which are taken relative to the best. Fusing
    scores keeps what fusing ranks (reciprocal rank fusion) throws away: that a chunk with the one
    rare word of the question stands far above the next.
    """
    top = max(lexical.values(), default=0.0) or 1.0
    fused = {
        chunk: weights[0] * lexical.get(chunk, 0.0) / top
        + weights[1] * max(dense.get(chunk, 0.0), 0.0)
        for chunk in {*dense, *lexical}
    }
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))
