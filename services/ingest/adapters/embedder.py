"""Embeds with the bundled model in worker processes."""

from collections.abc import Sequence

from typing_extensions import override

from services.ingest.ports import Embedder
from shared.adapters import static_embedder
from shared.adapters.worker_pool import WorkerPool

BATCH = 128
SECONDS = 60.0


class PooledEmbedder(Embedder):
    """The `Embedder` port over a worker pool."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    @property
    @override
    def model(self) -> str:
        return static_embedder.MODEL

    @property
    @override
    def dimension(self) -> int:
        return static_embedder.DIMENSION

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        vectors: list[bytes] = []
        for first in range(0, len(texts), BATCH):
            part = list(texts[first : first + BATCH])
            vectors += await self._pool.run(static_embedder.embed, SECONDS, part)
        return vectors
