"""Hybrid retrieval: dense and lexical rankings, fused, from what may answer now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from typing_extensions import override

from services.chat.adapters.evidence import coverages, likenesses
from services.chat.adapters.lexical import query_terms
from services.chat.adapters.questions import asked, content_words
from services.chat.domain.calibration import Calibration, calibration
from services.chat.domain.passages import Place, distinct, neighbours, united
from services.chat.ports import Found, Hit, Knowledge, Query, Retriever, Scope, VectorIndexes
from services.chat.queries.index import IndexedSource, IndexQueries
from shared.adapters import language, static_embedder
from shared.adapters.chunk_batch import indexed_text

CHUNKS = 40
"""Chunks that are looked at; what a question's words are worth is judged from these."""
BINDING_CHUNKS = 5
"""Chunks of mandatory sources that are looked at besides."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to put the question, ready to be searched."""

    terms: str
    words: Sequence[str]
    dense: bytes
    foreign: bool


class HybridRetriever(Retriever):
    """Searches the indexes of a bot and drops every hit that is not of a source's current
    revision: between a change and the index's own clean-up, an old chunk must not answer.
    """

    def __init__(self, indexes: VectorIndexes, rows: IndexQueries) -> None:
        self._indexes = indexes
        self._rows = rows

    @override
    async def retrieve(self, tenant_id: str, bot_profile_id: str, query: Query) -> list[Found]:
        scope = Scope(
            tenant_id, bot_profile_id, source_ids=query.source_ids, language=query.language
        )
        found: list[Found] = []
        for known in await self._rows.knowledge(tenant_id, bot_profile_id):
            if known.embedding_model != static_embedder.MODEL:
                continue  # prepared with a model that this version cannot ask
            wordings = [_wording(text, known.languages) for text in (query.text, *query.others)]
            found += await self._search(scope, known, wordings)
        ranked = sorted(found, key=lambda one: one.hit.score, reverse=True)
        return distinct(ranked, lambda one: one.hit.text)

    @override
    async def languages(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
        found = await self._rows.knowledge(tenant_id, bot_profile_id)
        return frozenset(one for known in found for one in known.languages if one is not None)

    async def _search(
        self, scope: Scope, known: Knowledge, wordings: Sequence[Wording]
    ) -> list[Found]:
        numbers = calibration(known.embedding_model)
        index = await self._indexes.open(known.collection, known.dimension)
        weights = (numbers.lexical, numbers.dense)
        best: dict[str, Hit] = {}
        for wording in wordings:
            terms = query_terms(wording.terms)
            hits = await index.search(scope, wording.dense, terms, limit=CHUNKS, weights=weights)
            if known.binding and scope.source_ids is None:
                binding = replace(scope, source_ids=known.binding)
                hits += await index.search(
                    binding, wording.dense, terms, limit=BINDING_CHUNKS, weights=weights
                )
            for hit in hits:
                if hit.id not in best or hit.score > best[hit.id].score:
                    best[hit.id] = hit
        sources = await self._rows.answering(
            scope.tenant_id, {hit.source_id for hit in best.values()}
        )
        answering = [hit for hit in best.values() if _answers(hit, sources)]
        answering.sort(key=lambda hit: (-hit.score, hit.id))
        return _passages(answering, sources, wordings, numbers)


def _wording(text: str, languages: Collection[str | None]) -> Wording:
    """A few words are too little to tell their language: then it is one of the knowledge base's."""
    told = language.detect(text)
    spoken = languages if told is None else [told]
    words = content_words(text, spoken)
    dense = static_embedder.embed([" ".join(words)])[0]
    foreign = told is not None and None not in languages and told not in languages
    return Wording(asked(text, spoken), words, dense, foreign)


def _answers(hit: Hit, sources: Mapping[str, IndexedSource]) -> bool:
    source = sources.get(hit.source_id)
    return source is not None and source.revision == hit.revision


def _passages(
    hits: Sequence[Hit],
    sources: Mapping[str, IndexedSource],
    wordings: Sequence[Wording],
    numbers: Calibration,
) -> list[Found]:
    groups = neighbours(hits, _place)
    whole = [united([_place(hit) for hit in group]) for group in groups]
    texts = [indexed_text(place.heading, place.text) for place in whole]
    held = [coverages(wording.words, texts, foreign=wording.foreign) for wording in wordings]
    foreign = all(wording.foreign for wording in wordings)
    cosines = [max(hit.similarity for hit in group) for group in groups]
    spoken = [sources[place.source_id].language for place in whole]
    likeness = cosines if foreign else likenesses(cosines, spoken, numbers)
    found = []
    for n, (group, place) in enumerate(zip(groups, whole, strict=True)):
        source = sources[place.source_id]
        best = max(group, key=lambda hit: hit.score)
        found.append(
            Found(
                hit=replace(
                    best,
                    text=place.text,
                    start=place.start,
                    page=min(group, key=lambda hit: hit.start).page,
                    end=place.end,
                    similarity=cosines[n],
                ),
                coverage=max(shares[n] for shares in held),
                likeness=max(0.0, likeness[n]),
                chunk_ids=tuple(hit.id for hit in group),
                source_name=source.name,
                title=source.title,
                url=source.url,
                text_ref=source.text_ref,
                authority=source.authority,
                language=source.language,
                worth=numbers.worth(source.language),
                foreign=foreign,
            )
        )
    return found


def _place(hit: Hit) -> Place:
    return Place(
        source_id=hit.source_id,
        revision=hit.revision,
        ordinal=hit.ordinal,
        start=hit.start,
        end=hit.end,
        heading=hit.heading,
        text=hit.text,
        page=hit.page,
    )
