"""The vector engine as a server: Qdrant, through its own client, loaded only where it is used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from services.chat.adapters.edge_index import BATCH, Row, check_length, payload, ranked
from services.chat.adapters.edge_owner import FIELDS, PREFETCH
from services.chat.domain.ranking import DENSE, LEXICAL
from services.chat.ports import Hit, Point, Scope, Sparse, VectorIndex, VectorIndexes

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient


class QdrantIndexes(VectorIndexes):
    """All collections of a server."""

    def __init__(self, client: "AsyncQdrantClient") -> None:
        self._client = client
        self._opened: set[str] = set()

    @classmethod
    def connect(cls, url: str, api_key: str | None = None) -> "QdrantIndexes":
        """A client of the server at `url`. It connects when it is first used."""
        from qdrant_client import AsyncQdrantClient  # noqa: PLC0415  120 MB for who needs it

        return cls(AsyncQdrantClient(url=url, api_key=api_key))

    @override
    async def open(self, name: str, dimension: int) -> "QdrantIndex":
        if name not in self._opened:
            await self._ensure(name, dimension)
            self._opened.add(name)
        return QdrantIndex(self._client, name, dimension)

    @override
    async def names(self) -> frozenset[str]:
        found = await self._client.get_collections()
        return frozenset(collection.name for collection in found.collections)

    @override
    async def drop(self, name: str) -> None:
        self._opened.discard(name)
        await self._client.delete_collection(name)

    @override
    async def state(self) -> str:
        await self._client.get_collections()
        return "ok server"

    async def aclose(self) -> None:
        await self._client.close()

    async def _ensure(self, name: str, dimension: int) -> None:
        from qdrant_client import models as m  # noqa: PLC0415  large; for a server

        if await self._client.collection_exists(name):
            return
        await self._client.create_collection(
            name,
            vectors_config={"dense": m.VectorParams(size=dimension, distance=m.Distance.COSINE)},
            sparse_vectors_config={"terms": m.SparseVectorParams(modifier=m.Modifier.IDF)},
            hnsw_config=m.HnswConfigDiff(m=0, payload_m=16),
        )
        for field in FIELDS:
            keyword = m.KeywordIndexParams(
                type=m.KeywordIndexType.KEYWORD, is_tenant=field == "tenant_id" or None
            )
            await self._client.create_payload_index(name, field, keyword)


class QdrantIndex(VectorIndex):
    """One collection."""

    def __init__(self, client: "AsyncQdrantClient", name: str, dimension: int) -> None:
        self._client = client
        self._name = name
        self._dimension = dimension

    @override
    async def upsert(self, points: Sequence[Point]) -> None:
        from qdrant_client import models as m  # noqa: PLC0415  large; for a server

        check_length(self._dimension, *(point.dense for point in points))
        for first in range(0, len(points), BATCH):
            made = [
                m.PointStruct(
                    id=point.id,
                    vector={
                        "dense": np.frombuffer(point.dense, "<f4").tolist(),
                        "terms": m.SparseVector(
                            indices=list(point.sparse.indices), values=list(point.sparse.values)
                        ),
                    },
                    payload=payload(point),
                )
                for point in points[first : first + BATCH]
            ]
            await self._client.upsert(self._name, made, wait=True)

    @override
    async def delete(self, scope: Scope, *, below_revision: int | None = None) -> None:
        from qdrant_client import models as m  # noqa: PLC0415  large; for a server

        wanted = _filter(scope.conditions(), below_revision)
        selector = m.FilterSelector(filter=wanted)
        await self._client.delete(self._name, selector, wait=True)

    @override
    async def flush(self) -> None:
        """A server acknowledges what it keeps: every change was made with `wait`."""

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
        from qdrant_client import models as m  # noqa: PLC0415  large; for a server

        check_length(self._dimension, dense)
        wanted = _filter(scope.conditions(), None)
        found: dict[str, Row] = {}
        if sparse.indices:
            corpus = _filter({"tenant_id": scope.tenant_id}, None)
            terms = m.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
            idf = m.SearchParams(idf=m.IdfCorpusParams(corpus=corpus))
            for point in await self._nearest(terms, "terms", wanted, idf):
                found[str(point.id)] = _row(point, point.score)
        query = np.frombuffer(dense, "<f4").tolist()
        for point in await self._nearest(query, "dense", wanted, None):
            found.setdefault(str(point.id), _row(point, None))
        return ranked(list(found.values()), dense, scope, limit, weights)

    async def _nearest(self, vector: Any, using: str, wanted: Any, params: Any) -> Any:
        answer = await self._client.query_points(
            self._name,
            query=vector,
            using=using,
            query_filter=wanted,
            search_params=params,
            limit=PREFETCH,
            with_payload=True,
            with_vectors=["dense"],
        )
        return answer.points

    @override
    async def count(self, scope: Scope) -> int:
        found = await self._client.count(
            self._name, count_filter=_filter(scope.conditions(), None), exact=True
        )
        return found.count


def _row(point: Any, score: float | None) -> Row:
    return str(point.id), score, list(point.vector["dense"]), point.payload or {}


def _filter(conditions: dict[str, str | list[str]], below: int | None) -> Any:
    from qdrant_client import models as m  # noqa: PLC0415  large; for a server

    must: list[Any] = [
        m.FieldCondition(
            key=key,
            match=m.MatchAny(any=value) if isinstance(value, list) else m.MatchValue(value=value),
        )
        for key, value in conditions.items()
    ]
    if below is not None:
        must.append(m.FieldCondition(key="revision", range=m.Range(lt=below)))
    return m.Filter(must=must)
