"""Hybrid retrieval: dense and lexical rankings, fused, from what may answer now."""

from typing_extensions import override

from services.chat.adapters.lexical import coverage, query_terms
from services.chat.ports import Found, Hit, Retriever, Scope, VectorIndexes
from services.chat.queries.index import IndexQueries
from shared.adapters import static_embedder

LIMIT = 12
"""Chunks that are looked at; the best five of them become context."""


class HybridRetriever(Retriever):
    """Searches the indexes of a bot and drops every hit that is not of a source's current
    revision: between a change and the index's own clean-up, an old chunk must not answer.
    """

    def __init__(self, indexes: VectorIndexes, rows: IndexQueries) -> None:
        self._indexes = indexes
        self._rows = rows

    @override
    async def retrieve(self, tenant_id: str, bot_profile_id: str, question: str) -> list[Found]:
        scope = Scope(tenant_id, bot_profile_id)
        hits: list[Hit] = []
        for known in await self._rows.knowledge(tenant_id, bot_profile_id):
            if known.embedding_model != static_embedder.MODEL:
                continue  # prepared with a model that this version cannot ask
            index = await self._indexes.open(known.collection, known.dimension)
            dense = static_embedder.embed([question])[0]
            terms = query_terms(question, known.languages)
            hits += await index.search(scope, dense, terms, limit=LIMIT)
        if not hits:
            return []
        answering = await self._rows.answering(tenant_id, {hit.source_id for hit in hits})
        found = []
        for hit in sorted(hits, key=lambda hit: hit.score, reverse=True):
            source = answering.get(hit.source_id)
            if source is None or source.revision != hit.revision:
                continue
            text = f"{hit.heading}\n{hit.text}" if hit.heading else hit.text
            found.append(
                Found(
                    hit=hit,
                    coverage=coverage(question, text, source.language),
                    source_name=source.name,
                    title=source.title,
                    url=source.url,
                    text_ref=source.text_ref,
                    authority=source.authority,
                    language=source.language,
                )
            )
        return found
