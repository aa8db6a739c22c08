"""Hybrid retrieval: dense and lexical rankings, fused, from what may answer now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from typing_extensions import override

from services.chat.adapters.evidence import coverages, likenesses
from services.chat.adapters.kinship import kinships
from services.chat.adapters.lexical import query_terms
from services.chat.adapters.lexicon import known_words, translations
from services.chat.adapters.questions import asked, content_words
from services.chat.domain.calibration import Calibration, calibration
from services.chat.domain.passages import Place, distinct, neighbours, united
from services.chat.ports import (
    Found,
    Hit,
    Knowledge,
    Query,
    QueryEmbedder,
    Retrieval,
    Retriever,
    Scope,
    VectorIndexes,
)
from services.chat.queries.index import IndexedSource
from shared.adapters import language, static_embedder
from shared.adapters.chunk_batch import indexed_text
from shared.telemetry import spans

CHUNKS = 40
"""Chunks that are looked at; what a question's words are worth is judged from these."""
LOOKS = 3
"""How often is looked at most while the index of the bot is switched under the search."""
BINDING_CHUNKS = 5
"""Chunks of mandatory sources that are looked at besides."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to put the question, ready to be searched."""

    terms: str
    words: Sequence[str]
    dense: bytes
    foreign: bool
    meanings: Mapping[str, Sequence[str]]
    """What its words mean in the languages of the texts, if it is in none of them."""
    spoken: str | None
    """The language it is in, if that is known."""


@dataclass(frozen=True, slots=True)
class Worded:
    """The same before it is embedded: `plain` as it was asked."""

    plain: str
    terms: str
    words: Sequence[str]
    foreign: bool
    meanings: Mapping[str, Sequence[str]]
    spoken: str | None

    @property
    def bundled(self) -> str:
        """What the bundled model embeds: each word as the texts would say it."""
        return " ".join(next(iter(self.meanings.get(word, ())), word) for word in self.words)


class AnsweringRows(Protocol):
    """Says what may answer: in the index of a bot, or in one beside it."""

    async def knowledge(self, tenant_id: str, bot_profile_id: str) -> Sequence[Knowledge]:
        """One entry per vector index and generation; a moment old, perhaps."""
        ...

    async def standing(
        self, tenant_id: str, bot_profile_id: str, source_ids: Collection[str]
    ) -> tuple[Mapping[str, IndexedSource], Sequence[Knowledge]]:
        """Which of these sources may answer, and what the bot answers from, as it is now."""
        ...

    def forget(self, tenant_id: str) -> None:
        """Look anew at what was kept of a tenant."""
        ...


class HybridRetriever(Retriever):
    """Searches the indexes of a bot and drops every hit that is not of a source's current
    revision: between a change and the index's own clean-up, an old chunk must not answer.
    """

    def __init__(
        self, indexes: VectorIndexes, rows: AnsweringRows, embedder: QueryEmbedder
    ) -> None:
        self._indexes = indexes
        self._rows = rows
        self._embedder = embedder

    @override
    async def retrieve(self, tenant_id: str, bot_profile_id: str, query: Query) -> Retrieval:
        """Look again if the bot's index was switched meanwhile: what was found is gone then."""
        with spans.span("retrieve") as span:
            found = await self._retrieve(tenant_id, bot_profile_id, query)
            span.tell("minirag.passages", len(found.found))
        return found

    async def _retrieve(self, tenant_id: str, bot_profile_id: str, query: Query) -> Retrieval:
        found: list[Found] = []
        known = await self._rows.knowledge(tenant_id, bot_profile_id)
        for _ in range(LOOKS):
            found, now = await self._look(tenant_id, bot_profile_id, query, known)
            if set(now) == set(known):
                break
            self._rows.forget(tenant_id)
            known = now
        return Retrieval(distinct(found, lambda one: one.hit.text))

    async def _look(
        self, tenant_id: str, bot_profile_id: str, query: Query, knowledge: Sequence[Knowledge]
    ) -> tuple[list[Found], Sequence[Knowledge]]:
        """Passages, and what the bot answers from as of then."""
        scope = Scope(
            tenant_id, bot_profile_id, source_ids=query.source_ids, language=query.language
        )
        looked = []
        for known in knowledge:
            wordings = await self._wordings(scope, known, (query.text, *query.others))
            hits = await self._search(scope, known, wordings, query.lexical_weight)
            looked.append((known, wordings, hits))
        sources_hit = {hit.source_id for _, _, hits in looked for hit in hits}
        sources, now = await self._rows.standing(tenant_id, bot_profile_id, sources_hit)
        found: list[Found] = []
        for known, wordings, hits in looked:
            numbers = calibration(known.embedding_model)
            answering = [hit for hit in hits if _answers(hit, known, sources)]
            answering = _nearer(answering, sources, wordings, numbers)
            answering.sort(key=lambda hit: (-hit.score, hit.id))
            found += _passages(answering, sources, wordings, numbers)
        return sorted(found, key=lambda one: one.hit.score, reverse=True), now

    @override
    async def languages(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
        found = await self._rows.knowledge(tenant_id, bot_profile_id)
        return frozenset(one for known in found for one in known.languages if one is not None)

    async def _wordings(
        self, scope: Scope, known: Knowledge, texts: Sequence[str]
    ) -> list[Wording]:
        """A model that does not answer is like one that finds nothing alike: words still find."""
        model = known.embedding_model
        languages = known.languages if scope.language is None else {scope.language}
        worded = [_worded(text, languages) for text in texts]
        bundled = model == static_embedder.MODEL
        asked_for = [one.bundled if bundled else one.plain for one in worded]
        vectors = await self._embedder.embed(
            scope.tenant_id, scope.bot_profile_id or "", model, asked_for
        )
        nothing = bytes(4 * known.dimension)
        if vectors is None or any(len(vector) != len(nothing) for vector in vectors):
            vectors = [nothing] * len(worded)
        return [
            Wording(one.terms, one.words, vector, one.foreign, one.meanings, one.spoken)
            for one, vector in zip(worded, vectors, strict=True)
        ]

    async def _search(
        self,
        scope: Scope,
        known: Knowledge,
        wordings: Sequence[Wording],
        lexical: float | None = None,
    ) -> list[Hit]:
        """The nearest chunks, whether their sources may answer or not."""
        numbers = calibration(known.embedding_model)
        index = await self._indexes.open(known.collection, known.dimension)
        weights = (numbers.lexical, numbers.dense) if lexical is None else (lexical, 1 - lexical)
        scope = replace(scope, generations=(known.generation,))
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
        return list(best.values())


def _worded(text: str, languages: Collection[str | None]) -> Worded:
    """A few words are too little to tell their language: then it is one of the knowledge base's."""
    told = language.detect(text)
    spoken = languages if told is None else [told]
    words = content_words(text, spoken)
    foreign = told is not None and None not in languages and told not in languages
    terms = asked(text, spoken)
    if told is None or not foreign:
        return Worded(text, terms, words, foreign, {}, told)
    words = known_words(words, told)
    wanted = [one for one in languages if one is not None]
    meanings = {word: translations(word, told, wanted) for word in words}
    said = " ".join(meaning for one in meanings.values() for meaning in one)
    return Worded(text, f"{terms} {said}", words, foreign, meanings, told)


def _answers(hit: Hit, known: Knowledge, sources: Mapping[str, IndexedSource]) -> bool:
    source = sources.get(hit.source_id)
    if source is None:
        return False
    return (source.revision, source.generation) == (hit.revision, known.generation)


def _nearer(
    hits: Sequence[Hit],
    sources: Mapping[str, IndexedSource],
    wordings: Sequence[Wording],
    numbers: Calibration,
) -> list[Hit]:
    """With scores that count how near single words come; of several wordings the nearest.

    They stay between 0 and 1, as the weights of the rankings make them.
    """
    whole = 1 + numbers.kinship
    texts = [indexed_text(hit.heading, hit.text) for hit in hits]
    spoken = [sources[hit.source_id].language for hit in hits]
    found = [kinships(wording.words, texts, spoken, wording.meanings) for wording in wordings]
    nearest = [max(column) for column in zip(*found, strict=True)]
    return [
        replace(hit, kinship=near, score=(hit.score + numbers.kinship * near) / whole)
        for hit, near in zip(hits, nearest, strict=True)
    ]


def _passages(
    hits: Sequence[Hit],
    sources: Mapping[str, IndexedSource],
    wordings: Sequence[Wording],
    numbers: Calibration,
) -> list[Found]:
    groups = neighbours(hits, _place)
    whole = [united([_place(hit) for hit in group]) for group in groups]
    texts = [indexed_text(place.heading, place.text) for place in whole]
    held = [
        coverages(wording.words, texts, foreign=wording.foreign, meanings=wording.meanings)
        for wording in wordings
    ]
    foreign = all(wording.foreign for wording in wordings)
    abroad = numbers.worth_abroad(wordings[0].spoken)
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
                worth=abroad if foreign else numbers.worth(source.language),
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
