"""One flush for a whole batch of facts: what costs most in an index is to wait for the disk."""

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from services.chat.domain.ranking import DENSE, LEXICAL
from services.chat.ports import Hit, Point, Scope, Sparse, Terms, VectorIndex, VectorIndexes
from services.chat.projections.index import Index
from shared.adapters.blobs import Blobs
from shared.contracts.base import Event, Recorded
from shared.kernel import faults
from shared.kernel.faults import FaultPoint

__all__ = ["InBatches", "indexing"]


class Projection(Protocol):
    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None: ...


def indexing(indexes: VectorIndexes, blobs: Blobs, terms: Terms) -> "InBatches":
    """The projection of the retrieval index."""
    return InBatches(indexes, lambda changing: Index(changing, blobs, terms))


class InBatches:
    """A projection into vector indexes, of which each is flushed once after a batch.

    That is before the transaction of the batch ends, so rows never name points that a power cut
    may take.
    """

    def __init__(
        self, indexes: VectorIndexes, projecting: Callable[[VectorIndexes], Projection]
    ) -> None:
        self._indexes = indexes
        self._projecting = projecting

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        await self.apply_all(db, [recorded])

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """Several batches may be at work at the same time, each with changes of its own."""
        changing = Changing(self._indexes)
        projection = self._projecting(changing)
        for record in records:
            await projection.apply(db, record)
        await changing.flush()


class Changing(VectorIndexes):
    """Indexes that remember which of them is to be flushed."""

    def __init__(self, indexes: VectorIndexes) -> None:
        self._indexes = indexes
        self._due: dict[str, VectorIndex] = {}

    @override
    async def open(self, name: str, dimension: int) -> "Changed":
        return Changed(await self._indexes.open(name, dimension), name, self._due)

    @override
    async def names(self) -> frozenset[str]:
        return await self._indexes.names()

    @override
    async def drop(self, name: str) -> None:
        self._due.pop(name, None)
        await self._indexes.drop(name)

    @override
    async def state(self) -> str:
        return await self._indexes.state()

    async def flush(self) -> None:
        """Return once everything that was put into any of them survives a power cut."""
        for index in self._due.values():
            await index.flush()
            faults.passed(FaultPoint.INDEX_FLUSHED)


class Changed(VectorIndex):
    """One of them; its flush is put off."""

    def __init__(self, index: VectorIndex, name: str, due: dict[str, VectorIndex]) -> None:
        self._index = index
        self._name = name
        self._due = due

    @override
    async def upsert(self, points: Sequence[Point]) -> None:
        await self._index.upsert(points)

    @override
    async def delete(self, scope: Scope, *, below_revision: int | None = None) -> None:
        await self._index.delete(scope, below_revision=below_revision)

    @override
    async def flush(self) -> None:
        self._due[self._name] = self._index

    @override
    async def search(
        self,
        scope: Scope,
        dense: bytes,
        sparse: Sparse,
        *,
        limit: int,
        weights: tuple[float, float] = (LEXICAL, DENSE),
    ) -> list[Hit]:
        return await self._index.search(scope, dense, sparse, limit=limit, weights=weights)

    @override
    async def count(self, scope: Scope) -> int:
        return await self._index.count(scope)
