"""Retrieval from the indexes of runs."""

from typing_extensions import override

from services.chat.domain.shadow_index import ShadowIndex
from services.chat.ports import Query, Retrieval, Retriever, VectorIndexes
from services.chat.queries.shadow_indexes import ShadowIndexQueries


class ShadowRetriever(Retriever):
    """Asks one index of a run, and leaves nothing behind: a look that a drop came between makes
    the vector index anew, empty.
    """

    def __init__(
        self, inner: Retriever, indexes: VectorIndexes, rows: ShadowIndexQueries, index: ShadowIndex
    ) -> None:
        self._inner = inner
        self._indexes = indexes
        self._rows = rows
        self._index = index

    @override
    async def retrieve(self, tenant_id: str, bot_profile_id: str, query: Query) -> Retrieval:
        before = await self._rows.collection(tenant_id, self._index)
        try:
            return await self._inner.retrieve(tenant_id, bot_profile_id, query)
        finally:
            after = await self._rows.collection(tenant_id, self._index)
            if before is not None and before != after:
                await self._indexes.drop(before)

    @override
    async def languages(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
        return await self._inner.languages(tenant_id, bot_profile_id)
