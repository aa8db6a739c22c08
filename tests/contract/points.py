"""Points of a small index, with two dimensions that matter."""

import numpy as np

from services.chat.ports import Point, Scope, Sparse, VectorIndex
from shared.kernel.ids import derived_id

DIMENSION = 4
NOTHING = Sparse((), ())


def vector(*values: float) -> bytes:
    """A unit vector along `values`."""
    whole = np.array([*values, *[0.0] * (DIMENSION - len(values))], "<f4")
    return bytes((whole / np.linalg.norm(whole)).astype("<f4").tobytes())


EAST, NORTH = vector(1), vector(0, 1)


def terms(*numbers: int) -> Sparse:
    return Sparse(numbers, [1.0] * len(numbers))


def point(
    name: str,
    tenant_id: str,
    *,
    bot: str = "b1",
    source: str = "s1",
    revision: int = 1,
    dense: bytes = EAST,
    sparse: Sparse = NOTHING,
    text: str = "text",
    heading: str | None = None,
) -> Point:
    return Point(
        id=derived_id("test", tenant_id, name),
        tenant_id=tenant_id,
        bot_profile_id=bot,
        source_id=source,
        revision=revision,
        ordinal=0,
        text=text,
        start=0,
        end=len(text),
        heading=heading,
        dense=dense,
        sparse=sparse,
    )


async def texts(
    index: VectorIndex,
    scope: Scope,
    dense: bytes = EAST,
    sparse: Sparse = NOTHING,
    limit: int = 10,
) -> list[str]:
    return [hit.text for hit in await index.search(scope, dense, sparse, limit=limit)]
