"""Retrieval whose best passages are put in order by a reranker, for bots that have one."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import orjson
from typing_extensions import override

from services.chat.ports import (
    BotReader,
    Found,
    Query,
    Reranker,
    RerankFailed,
    Retrieval,
    Retriever,
)
from shared.adapters.chunk_batch import indexed_text

Secret = Callable[[str, str], Awaitable[bytes | None]]

PASSAGES = 25
"""That are put in order; what ranks below stays there."""
LONGEST = 4000
"""Characters of a passage that are sent; rerankers read no more."""

log = logging.getLogger(__name__)


class RerankingRetriever(Retriever):
    """The order of the retriever stays where the reranker fails: it is no worse than without."""

    def __init__(
        self, inner: Retriever, reranker: Reranker, bots: BotReader, secret: Secret
    ) -> None:
        self._inner = inner
        self._reranker = reranker
        self._bots = bots
        self._secret = secret

    @override
    async def retrieve(self, tenant_id: str, bot_profile_id: str, query: Query) -> Retrieval:
        retrieval = await self._inner.retrieve(tenant_id, bot_profile_id, query)
        bot = await self._bots.settings(tenant_id, bot_profile_id)
        if bot.rerank_model is None or not retrieval.found:
            return retrieval
        credentials = await self._credentials(tenant_id, bot.credentials_ref)
        try:
            found = await self._ranked(bot.rerank_model, credentials, query, retrieval.found)
        except RerankFailed as failure:
            log.warning(
                "passages stay in the order they were found in",
                extra={"model": bot.rerank_model, "error": str(failure)},
            )
            return replace(retrieval, reranking="failed")
        return Retrieval(found, "done")

    @override
    async def languages(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
        return await self._inner.languages(tenant_id, bot_profile_id)

    async def _ranked(
        self, model: str, credentials: Mapping[str, str], query: Query, found: Sequence[Found]
    ) -> list[Found]:
        """Scored passages first, best first; then the others as they were."""
        base_url = credentials.get("rerank_api_base")
        if base_url is None:
            raise RerankFailed("it has no address")
        best = found[:PASSAGES]
        texts = [indexed_text(one.hit.heading, one.hit.text)[:LONGEST] for one in best]
        key = credentials.get("rerank_api_key")
        scores = await self._reranker.scores(base_url, key, model, query.text, texts)
        scored = [replace(one, reranked=scores.get(n)) for n, one in enumerate(best)]
        order = sorted(range(len(best)), key=lambda n: (-scores.get(n, -float("inf")), n))
        return [*(scored[n] for n in order), *found[PASSAGES:]]

    async def _credentials(self, tenant_id: str, ref: str | None) -> Mapping[str, str]:
        kept = None if ref is None else await self._secret(tenant_id, ref)
        found: dict[str, str] = {} if kept is None else orjson.loads(kept)
        return found
