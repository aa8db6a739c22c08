"""How two rankings of the same chunks become one."""

from collections.abc import Mapping

LEXICAL, DENSE = 0.65, 0.35
"""Weights of the two rankings, as fit a static embedder."""


def fuse(dense: Mapping[str, float], lexical: Mapping[str, float]) -> list[tuple[str, float]]:
    """Ids and fused scores, best first, ties by id.

    `dense` holds cosines, `lexical` BM25 scores, which are taken relative to the best. Fusing
    scores keeps what fusing ranks (reciprocal rank fusion) throws away: that a chunk with the one
    rare word of the question stands far above the next.
    """
    top = max(lexical.values(), default=0.0) or 1.0
    fused = {
        chunk: LEXICAL * lexical.get(chunk, 0.0) / top + DENSE * max(dense.get(chunk, 0.0), 0.0)
        for chunk in {*dense, *lexical}
    }
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))
