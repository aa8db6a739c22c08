"""Compares texts in worker processes."""

from shared.adapters.difference import difference
from shared.adapters.worker_pool import TookTooLong, WorkerPool
from shared.kernel.errors import Conflict

SECONDS = 20.0


class PooledDiffer:
    """The difference of two texts, over a worker pool."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    async def __call__(self, before: str, after: str) -> tuple[list[str], int, int, bool]:
        """Raise `Conflict` if they differ too much, or `Unavailable` if the worker died."""
        try:
            return await self._pool.run(difference, SECONDS, before, after)
        except TookTooLong as error:
            raise Conflict("The revisions differ too much to be compared") from error
