"""What chat needs from the world, as protocols."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol

from services.chat.domain.bots import Published
from services.chat.domain.grounding import Candidate
from services.chat.domain.prompt import Passage, Turn
from services.chat.domain.ranking import DENSE, LEXICAL
from services.chat.domain.spending import Limit
from shared.contracts.base import Metadata
from shared.contracts.chat import GetTurn, TurnView
from shared.contracts.chat_frames import Frame
from shared.contracts.chat_retrieval import Reranking


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of an index is meant. Nothing can be asked of an index without a tenant."""

    tenant_id: str
    bot_profile_id: str | None = None
    source_id: str | None = None
    source_ids: tuple[str, ...] | None = field(default=None, kw_only=True)
    """Only these sources; without `source_id`."""
    language: str | None = field(default=None, kw_only=True)
    generations: tuple[int, ...] | None = field(default=None, kw_only=True)
    """Only points of these generations of their bots' indexes."""

    def __post_init__(self) -> None:
        if not self.tenant_id or "" in (self.bot_profile_id, self.source_id, self.language):
            raise ValueError("an index is never asked without a tenant, nor for an empty id")

    def conditions(self) -> dict[str, str | list[str]]:
        """Payload fields that must have this value, or one of these."""
        named: dict[str, str | list[str] | None] = {
            "tenant_id": self.tenant_id,
            "bot_profile_id": self.bot_profile_id,
            "source_id": self.source_id if self.source_ids is None else list(self.source_ids),
            "language": self.language,
            "generation": None if self.generations is None else [*map(str, self.generations)],
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector: weights of numbered terms."""

    indices: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Point:
    """One chunk in the index. `id` is a UUID; `dense` little-endian float32 of unit length."""

    id: str
    tenant_id: str
    bot_profile_id: str
    source_id: str
    revision: int
    ordinal: int
    text: str
    start: int
    end: int
    heading: str | None
    dense: bytes
    sparse: Sparse
    language: str | None = None
    page: int | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found; `similarity` is the cosine of query and chunk."""

    id: str
    source_id: str
    revision: int
    ordinal: int
    text: str
    start: int
    end: int
    heading: str | None
    score: float
    similarity: float
    lexical: float | None = None
    """Its BM25 score; None if the lexical ranking does not have it."""
    lexical_rank: int | None = None
    """Its place in the lexical ranking, from 1."""
    dense_rank: int | None = None
    """Its place by similarity among all that was found."""
    page: int | None = None
    kinship: float = 0.0
    """How near its words come to those of the question, between 0 and 1; part of the score."""


class VectorIndex(Protocol):
    """Chunks of many tenants with dense and sparse vectors of one embedding model."""

    async def upsert(self, points: Sequence[Point]) -> None:
        """Put points in, replacing those of the same id.

        Raise `ValueError`, and put none in, if a vector has another length than the index takes.
        """
        ...

    async def delete(self, scope: Scope, *, below_revision: int | None = None) -> None:
        """Take out what is in scope, or only its revisions below a number."""
        ...

    async def flush(self) -> None:
        """Return once everything that was put in survives a power cut."""
        ...

    async def search(
        self,
        scope: Scope,
        dense: bytes,
        sparse: Sparse,
        *,
        limit: int,
        weights: tuple[float, float] = (LEXICAL, DENSE),
    ) -> list[Hit]:
        """Best first: dense and lexical scores fused (`domain.ranking`).

        Term weights come from the tenant's own corpus, so that no tenant's words sway another's
        ranking.
        """
        ...

    async def count(self, scope: Scope) -> int: ...


class VectorIndexes(Protocol):
    """All vector indexes of an engine, by name."""

    async def open(self, name: str, dimension: int) -> VectorIndex:
        """The index of this name, made if it is missing."""
        ...

    async def names(self) -> frozenset[str]: ...

    async def drop(self, name: str) -> None: ...

    async def state(self) -> str:
        """`ok`, perhaps with a version, or what is wrong."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything a model may use for one answer."""

    model: str
    messages: Sequence[Turn]
    question: str
    passages: Sequence[Passage]
    temperature: float
    max_tokens: int
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    fallbacks: Sequence[str] = ()
    """Models to ask in turn if this one fails before its first word."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What the answer took, by the model that really answered; comes last."""

    model: str
    prompt_tokens: int
    completion_tokens: int


class ModelFailed(Exception):
    """No answer came. The text is fit for a visitor: no key, no provider's words."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retryable: bool,
        status: int = 502,
        retry_after: float | None = None,
        reached: bool = True,
    ) -> None:
        """`reached`: whether the provider said anything at all."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after
        self.reached = reached


OF_OTHERS = ("embedding_", "rerank_")
"""How credentials begin that are for a bot's other models."""


def for_language_model(credentials: Mapping[str, str]) -> dict[str, str]:
    """Those of a bot that go to its language model: the others are for other servers."""
    return {name: value for name, value in credentials.items() if not name.startswith(OF_OTHERS)}


class ModelTrial(Protocol):
    async def once(self, prompt: Prompt) -> None:
        """Ask the prompt's own model one single time, whatever became of it before. Raise
        `ModelFailed`, with the code `llm_no_key` if there is no key for it.
        """
        ...


class LanguageModel(Protocol):
    def name(self, prompt: Prompt) -> str:
        """The model that would answer, as its usage would name it."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        """The answer in pieces, then what it took. Raises `ModelFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class Reworded:
    """A question as it can be understood alone, and translations of it."""

    question: str
    others: tuple[str, ...]
    spent: Spent


@dataclass(frozen=True, slots=True)
class Checked:
    """The share of an answer's cited claims that their passages support."""

    support: float
    spent: Spent


class Assistant(Protocol):
    """Small tasks for the model of a bot. None: there is no such model, or it failed."""

    async def reword(
        self, prompt: Prompt, before: Sequence[Turn], languages: Collection[str]
    ) -> Reworded | None:
        """The prompt's question so that it finds, after `before`, also in `languages`."""
        ...

    async def check(self, prompt: Prompt, answer: str) -> Checked | None:
        """Whether the prompt's passages support what `answer` says and cites."""
        ...


@dataclass(frozen=True, slots=True)
class Rated:
    """How good a model finds an answer, from 1 to 5, and why."""

    rating: int
    reason: str
    spent: Spent


@dataclass(frozen=True, slots=True)
class Preferred:
    """Which of two answers a model finds better, and why."""

    choice: Literal["first", "second", "tie"]
    reason: str
    spent: Spent


class Judge(Protocol):
    """Rates answers by a language model. None: there is no such model, or it failed."""

    async def rate(self, prompt: Prompt, expected: str | None, answer: str) -> Rated | None: ...

    async def prefer(
        self, prompt: Prompt, expected: str | None, first: str, second: str
    ) -> Preferred | None: ...


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for, and where."""

    text: str
    others: tuple[str, ...] = ()
    """The same in other words or languages."""
    source_ids: tuple[str, ...] | None = None
    language: str | None = None
    """Only texts of this language."""
    lexical_weight: float | None = None
    """Of the lexical ranking, the dense one has the rest; None: as measured."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A question, and what its answer depends on beside the sources."""

    tenant_id: str
    bot_profile_id: str
    settings: str
    """A digest of all of the bot's settings."""
    question: str
    languages: frozenset[str] = frozenset()
    """What it is searched in by translations."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The turn that gave an answer, the first chunk it was given, and by number those it cites."""

    turn_id: str
    first: str
    cited: Mapping[int, str]
    query: Query | None = None
    """What found them, if a model put it: it need not be asked for that again."""


class AnswerMemory(Protocol):
    """Answers that were given, by what was asked in whatever form of words. May forget any."""

    def recall(self, topic: Topic) -> Remembered | None: ...

    def keep(self, topic: Topic, remembered: Remembered) -> None: ...

    def forget(self, topic: Topic) -> None: ...


class Frames(Protocol):
    async def publish(self, tenant_id: str, turn_id: str, frame: Frame) -> None: ...

    async def stored(self, tenant_id: str, turn_id: str, after: int = 0) -> list[Frame]:
        """Frames of earlier attempts that are still kept, in order."""
        ...


class Stops(Protocol):
    """How the process that answers a turn hears that it is to stop."""

    async def tell(self, tenant_id: str, turn_id: str) -> None: ...

    def heard(self, tenant_id: str, turn_id: str) -> AbstractAsyncContextManager[asyncio.Event]:
        """Set as soon as somebody tells it. What was told before is not heard."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A passage of a source that may answer now, with everything a citation needs.

    `hit` is its best chunk, with text and span of the whole passage.
    """

    hit: Hit
    coverage: float
    likeness: float
    chunk_ids: tuple[str, ...]
    source_name: str
    title: str | None
    url: str | None
    text_ref: str
    authority: str | None
    language: str | None
    worth: float = 1.0
    """What evidence is multiplied by, for the passage's language or that of a foreign question."""
    foreign: bool = False
    """Whether the question is in a language that the knowledge base does not have."""
    reranked: float | None = None
    """What the bot's reranker says of it; None if it was not asked, or said nothing."""


def candidate(found: Found) -> Candidate:
    """What is judged of a passage."""
    return Candidate(
        chunk_id=found.hit.id,
        source_id=found.hit.source_id,
        text=found.hit.text,
        score=found.hit.score,
        similarity=found.hit.similarity,
        coverage=found.coverage,
        authority=found.authority,
        likeness=found.likeness,
        worth=found.worth,
        foreign=found.foreign,
    )


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages, best first, and what became of the bot's reranker."""

    found: Sequence[Found]
    reranking: Reranking = "off"


class RerankFailed(Exception):
    """No scores came. The text says why, without a key or a server's words."""


class Reranker(Protocol):
    async def scores(
        self, base_url: str, key: str | None, model: str, query: str, documents: Sequence[str]
    ) -> Mapping[int, float]:
        """By place in `documents`, how well one answers; higher is better, some may be missing.

        Raise `RerankFailed`.
        """
        ...


class Retriever(Protocol):
    async def retrieve(self, tenant_id: str, bot_profile_id: str, query: Query) -> Retrieval:
        """Passages, best first. Raise `Unavailable` if the index does not answer."""
        ...

    async def languages(self, tenant_id: str, bot_profile_id: str) -> frozenset[str]:
        """The languages of the bot's sources, as far as they are known."""
        ...


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A generation in a vector index that a bot can retrieve from, and the languages in it."""

    collection: str
    dimension: int
    embedding_model: str
    languages: frozenset[str | None]
    binding: tuple[str, ...] = ()
    """Sources that are mandatory."""
    generation: int = 0


class QueryEmbedder(Protocol):
    async def embed(
        self, tenant_id: str, bot_profile_id: str, model: str, texts: Sequence[str]
    ) -> list[bytes] | None:
        """One unit vector per text by the bot's embedding model; None if it does not answer."""
        ...


class BotReader(Protocol):
    async def settings(self, tenant_id: str, bot_profile_id: str) -> Published:
        """What the bot answers with. Raise `NotFound`."""
        ...


class ChatReader(Protocol):
    async def get_turn(self, question: GetTurn, meta: Metadata) -> TurnView:
        """Raise `NotFound`."""
        ...

    async def history(
        self, tenant_id: str, chat_id: str, turn_id: str, limit: int
    ) -> list[tuple[str, str]]:
        """Role and text of the last `limit` messages of other turns, oldest first."""
        ...


class Spending(Protocol):
    async def limits(self, tenant_id: str, bot_profile_id: str) -> Sequence[Limit]:
        """The budgets that can stop this bot."""
        ...

    async def spent(self, tenant_id: str, limit: Limit, first: date, last: date) -> float:
        """What was used of a budget from one day to another, both included."""
        ...


class Terms(Protocol):
    def document_terms(self, text: str) -> Sparse: ...
