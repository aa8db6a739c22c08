"""Texts are embedded while what was embedded before is stored and told."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.ingest.ports import Embedder
from shared.adapters.chunk_batch import text_hash

__all__ = ["AT_ONCE", "LOCAL", "embedded"]

LOCAL = "local/"
"""How names of models begin that run here."""
AT_ONCE = 2
"""Calls to a model that runs here: as many as there are workers where nothing is said. A model that
is paid for is asked once at a time, and not again before what it gave is told: whoever is killed
between loses no more than that.
"""


@dataclass(frozen=True, slots=True)
class _Started:
    """A call, and the hashes of its texts."""

    hashes: Sequence[str]
    vectors: asyncio.Task[list[bytes]] | None
    """None where all is known."""


async def embedded(
    embedder: Embedder, parts: Iterable[Sequence[str]], known: dict[str, bytes]
) -> AsyncGenerator[int, None]:
    """For one part after the other, once `known` has all its vectors by the hashes of its texts:
    how many of them had to be embedded. No text is embedded twice. Raises what the embedder raises.
    """
    most = AT_ONCE if embedder.model.startswith(LOCAL) else 1
    rest = iter(parts)
    started: deque[_Started] = deque()
    try:
        while True:
            _start(embedder, rest, known, started, most)
            if not started:
                return
            part = started.popleft()
            if part.vectors is not None:
                known.update(zip(part.hashes, await part.vectors, strict=True))
            _start(embedder, rest, known, started, most - 1)
            yield len(part.hashes)
    finally:
        tasks = [part.vectors for part in started if part.vectors is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _start(
    embedder: Embedder,
    rest: Iterator[Sequence[str]],
    known: dict[str, bytes],
    started: deque[_Started],
    most: int,
) -> None:
    """Calls for the parts that are next, until so many are under way."""
    while len(started) < most and (texts := next(rest, None)) is not None:
        coming = {name for part in started for name in part.hashes}
        new = {
            name: text
            for name, text in ((text_hash(text), text) for text in texts)
            if name not in known and name not in coming
        }
        call = asyncio.create_task(embedder.embed(list(new.values()))) if new else None  # noqa: TID251  ended by `embedded`
        started.append(_Started(list(new), call))
