"""Questions to the chat service about what would be found, and what was cited."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Message, Question
from shared.contracts.chat import BotProfileView, ChatScope
from shared.contracts.chat_citations import Citation

Reranking = Literal["off", "done", "failed"]


class RetrievedPassage(Message):
    """A passage that was found, and why."""

    rank: int
    """Place in the ranking, from 1: the fused one, or the reranker's."""
    n: int | None
    """Its number in an answer's context; None if it would not be used."""
    chunk_id: str
    chunk_ids: tuple[str, ...]
    """All chunks that the passage is joined from."""
    source_id: str
    source_name: str
    title: str | None
    url: str | None
    heading: str | None
    revision: int
    start: int
    end: int
    text: str
    language: str | None
    authority: str | None
    score: float
    """Fused, of the best chunk."""
    similarity: float
    """Cosine of question and chunk."""
    likeness: float
    """The similarity, less what says nothing in the passage's language."""
    lexical: float | None
    """BM25 score; None if the lexical ranking does not have it."""
    lexical_rank: int | None
    dense_rank: int | None
    coverage: float
    """Share of the question's words in the passage, weighed by how rare they are."""
    evidence: float
    """What the floor is held against."""
    kinship: float = 0.0
    """How near its words come to those of the question; part of the score."""
    reranked: float | None = None
    """The score of the bot's reranker, in a scale of its own; None if it gave none."""


class RetrievalView(Message):
    """What a bot would answer from."""

    query: str
    searched: tuple[str, ...]
    """What was really looked for: the query, and others made from it."""
    query_language: str | None
    verdict: Literal["grounded", "nothing_found", "below_floor"]
    floor: float
    best: float
    """The best evidence."""
    latency_ms: float
    passages: tuple[RetrievedPassage, ...]
    reranking: Reranking = "off"
    """Whether the bot's reranker made the order; `failed`: the fused order stayed."""


class Retrieve(Question[RetrievalView]):
    """What the bot would find for a query, without asking a model for an answer."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "retrieve"
    bot_profile_id: str
    query: str
    limit: int = Field(default=5, ge=1, le=50)
    source_ids: tuple[str, ...] | None = None
    language: str | None = None


class CitationText(Message):
    """The passage a citation points to, in its exact revision, with what stands around it."""

    citation: Citation
    text: str
    before: str
    after: str


class GetCitation(Question[CitationText]):
    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "get_citation"
    citation_id: str
    scope: ChatScope | None = None
    """None: whichever chat it belongs to."""


class FindBotProfile(Question[BotProfileView]):
    """An active bot by its id or its name; the newest, if several have that name."""

    service: ClassVar[str] = "chat"
    name: ClassVar[str] = "find_bot_profile"
    bot: str
