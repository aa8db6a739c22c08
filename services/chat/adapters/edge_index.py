"""The embedded vector engine: Qdrant Edge, in an owner process that is started again if it dies."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from services.chat.adapters import edge_owner
from services.chat.domain.ranking import DENSE, LEXICAL, fuse
from services.chat.ports import Hit, Point, Scope, Sparse, VectorIndex, VectorIndexes
from shared.kernel.errors import Unavailable, Unusable

BATCH = 64
"""Points a call: searches come in between."""
Row = edge_owner.Row


class EdgeIndexes(VectorIndexes):
    """All shards below a folder, through their owner."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool: ProcessPoolExecutor | None = None
        self._opened: dict[str, int] = {}
        self._starting = asyncio.Lock()

    @override
    async def open(self, name: str, dimension: int) -> "EdgeIndex":
        if self._opened.get(name) != dimension:
            await self.call("open", name, dimension)
            self._opened[name] = dimension
        return EdgeIndex(self, name, dimension)

    @override
    async def names(self) -> frozenset[str]:
        return frozenset(await self.call("names"))

    @override
    async def drop(self, name: str) -> None:
        self._opened.pop(name, None)
        await self.call("drop", name)

    @override
    async def state(self) -> str:
        await self.call("names")
        return "ok edge"

    async def call(self, method: str, *args: Any) -> Any:
        """Call the owner; once more if it died meanwhile. Every call may be repeated."""
        for _ in range(2):
            pool = await self._owner()
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(pool, edge_owner.call, method, *args)
            except BrokenProcessPool:
                await self._forget(pool)
        raise Unavailable("the vector index's process died twice")

    async def owner_pid(self) -> int:
        """Process id of the owner."""
        pool = await self._owner()
        return await asyncio.get_running_loop().run_in_executor(pool, edge_owner.pid)

    async def aclose(self) -> None:
        """Flush, close, and end the owner."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(pool, edge_owner.call, "close")
            except BrokenProcessPool:
                return
            finally:
                await asyncio.to_thread(pool.shutdown)

    async def _owner(self) -> ProcessPoolExecutor:
        async with self._starting:
            if self._pool is not None:
                return self._pool
            pool = ProcessPoolExecutor(
                1,
                mp_context=get_context("spawn"),
                initializer=edge_owner.start,
                initargs=(str(self._folder), os.getpid()),
            )
            loop = asyncio.get_running_loop()
            try:
                for name, dimension in self._opened.items():
                    await loop.run_in_executor(pool, edge_owner.call, "open", name, dimension)
                await loop.run_in_executor(pool, edge_owner.pid)
            except BrokenProcessPool as error:
                await asyncio.to_thread(pool.shutdown)
                raise Unusable(
                    f"the vector index in {self._folder} cannot be opened: another process owns "
                    "it, or its files are damaged (`minirag rebuild index` makes them anew)"
                ) from error
            self._pool = pool
            return pool

    async def _forget(self, pool: ProcessPoolExecutor) -> None:
        async with self._starting:
            if self._pool is pool:
                self._pool = None
                await asyncio.to_thread(pool.shutdown)


class EdgeIndex(VectorIndex):
    """One shard."""

    def __init__(self, owner: EdgeIndexes, name: str, dimension: int) -> None:
        self._owner = owner
        self._name = name
        self._dimension = dimension

    @override
    async def upsert(self, points: Sequence[Point]) -> None:
        check_length(self._dimension, *(point.dense for point in points))
        for first in range(0, len(points), BATCH):
            # As bytes: numbers one by one take longer on their way than to be put in.
            rows = [
                (
                    point.id,
                    point.dense,
                    np.array(point.sparse.indices, "<u4").tobytes(),
                    np.array(point.sparse.values, "<f4").tobytes(),
                    payload(point),
                )
                for point in points[first : first + BATCH]
            ]
            await self._owner.call("upsert", self._name, rows)

    @override
    async def delete(self, scope: Scope, *, below_revision: int | None = None) -> None:
        await self._owner.call("delete", self._name, scope.conditions(), below_revision)

    @override
    async def flush(self) -> None:
        await self._owner.call("flush", self._name)

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
        check_length(self._dimension, dense)
        terms = (list(sparse.indices), list(sparse.values))
        query = np.frombuffer(dense, "<f4").tolist()
        rows = await self._owner.call("search", self._name, scope.conditions(), query, terms)
        return ranked(rows, dense, scope, limit, weights)

    @override
    async def count(self, scope: Scope) -> int:
        return int(await self._owner.call("count", self._name, scope.conditions()))


def check_length(dimension: int, *vectors: bytes) -> None:
    """Raise `ValueError` unless all have the index's dimension: an engine would keep a part."""
    for vector in vectors:
        if len(vector) != dimension * 4:
            raise ValueError(f"a vector has {len(vector) // 4} values; the index takes {dimension}")


def payload(point: Point) -> dict[str, Any]:
    """What is stored beside the vectors."""
    return {
        "tenant_id": point.tenant_id,
        "bot_profile_id": point.bot_profile_id,
        "source_id": point.source_id,
        "revision": point.revision,
        "ordinal": point.ordinal,
        "page": point.page,
        "text": point.text,
        "start": point.start,
        "end": point.end,
        "heading": point.heading,
        "language": point.language,
        "generation": str(point.generation),
    }


def ranked(
    rows: Sequence[Row], dense: bytes, scope: Scope, limit: int, weights: tuple[float, float]
) -> list[Hit]:
    """The best of what either vector found, scored by both."""
    query = np.frombuffer(dense, "<f4")
    kept = {row[0]: row for row in rows if belongs(row[3], scope)}
    cosines = {
        point_id: float(np.dot(query, np.asarray(vector, "<f4")))
        for point_id, _, vector, _ in kept.values()
    }
    lexical = {point_id: score for point_id, score, _, _ in kept.values() if score is not None}
    by_terms, by_likeness = _places(lexical), _places(cosines)
    hits = []
    for point_id, score in fuse(cosines, lexical, weights=weights)[:limit]:
        hit = _hit(point_id, score, cosines[point_id], kept[point_id][3])
        ranks = (by_terms.get(point_id), by_likeness[point_id])
        hits.append(
            replace(hit, lexical=lexical.get(point_id), lexical_rank=ranks[0], dense_rank=ranks[1])
        )
    return hits


def _places(scores: Mapping[str, float]) -> dict[str, int]:
    best_first = sorted(scores, key=lambda point_id: (-scores[point_id], point_id))
    return {point_id: place for place, point_id in enumerate(best_first, 1)}


def _hit(point_id: str, score: float, similarity: float, fields: dict[str, Any]) -> Hit:
    return Hit(
        id=point_id,
        source_id=fields["source_id"],
        revision=int(fields["revision"]),
        ordinal=int(fields["ordinal"]),
        page=fields.get("page"),
        text=fields["text"],
        start=int(fields["start"]),
        end=int(fields["end"]),
        heading=fields.get("heading"),
        score=score,
        similarity=similarity,
    )


def belongs(fields: dict[str, Any], scope: Scope) -> bool:
    """A second look at what the engine's filter let through."""
    return all(
        fields.get(key) in (value if isinstance(value, list) else [value])
        for key, value in scope.conditions().items()
    )
