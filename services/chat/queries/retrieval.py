"""Questions about what a bot would answer from."""

import time
from collections.abc import Callable

from services.chat.domain.grounding import Grounded, floor_of, judge
from services.chat.ports import Found, Query, Retriever, candidate
from services.chat.queries.bots import BotQueries
from shared.contracts.base import Metadata
from shared.contracts.chat_retrieval import RetrievalView, Retrieve, RetrievedPassage

DetectLanguage = Callable[[str], str | None]


class RetrievalQueries:
    """Shows what a bot would answer from."""

    def __init__(self, bots: BotQueries, retriever: Retriever, detect: DetectLanguage) -> None:
        self._bots = bots
        self._retriever = retriever
        self._detect = detect

    async def retrieve(self, question: Retrieve, meta: Metadata) -> RetrievalView:
        """Raise `NotFound` or `Unavailable`."""
        bot = await self._bots.settings(meta.tenant_id, question.bot_profile_id)
        floor = floor_of(bot.floor)
        started = time.perf_counter()
        query = Query(
            question.query,
            source_ids=question.source_ids,
            language=question.language,
            lexical_weight=bot.lexical_weight,
        )
        retrieval = await self._retriever.retrieve(meta.tenant_id, question.bot_profile_id, query)
        found = retrieval.found
        candidates = [candidate(one) for one in found]
        verdict = judge(candidates, floor, bot.top_k)
        latency = (time.perf_counter() - started) * 1000
        used = verdict.context if isinstance(verdict, Grounded) else ()
        order = {one.chunk_id: n for n, one in enumerate(used, 1)}
        passages = [
            _passage(rank, order.get(one.hit.id), one, of.evidence)
            for rank, (one, of) in enumerate(zip(found, candidates, strict=True), 1)
        ]
        passages.sort(key=lambda one: (one.n or len(order) + 1, one.rank))
        return RetrievalView(
            query=question.query,
            searched=(query.text, *query.others),
            query_language=self._detect(question.query),
            verdict="grounded" if isinstance(verdict, Grounded) else verdict.reason,
            floor=floor,
            best=verdict.best,
            latency_ms=latency,
            reranking=retrieval.reranking,
            passages=tuple(passages[: question.limit]),
        )


def _passage(rank: int, n: int | None, found: Found, evidence: float) -> RetrievedPassage:
    hit = found.hit
    return RetrievedPassage(
        rank=rank,
        n=n,
        chunk_id=hit.id,
        chunk_ids=found.chunk_ids,
        source_id=hit.source_id,
        source_name=found.source_name,
        title=found.title,
        url=found.url,
        heading=hit.heading,
        revision=hit.revision,
        start=hit.start,
        end=hit.end,
        text=hit.text,
        language=found.language,
        authority=found.authority,
        score=hit.score,
        similarity=hit.similarity,
        likeness=found.likeness,
        lexical=hit.lexical,
        lexical_rank=hit.lexical_rank,
        dense_rank=hit.dense_rank,
        kinship=hit.kinship,
        coverage=found.coverage,
        evidence=evidence,
        reranked=found.reranked,
    )
