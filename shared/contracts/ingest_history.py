"""Questions to ingest about what a source was and is: documents, chunks, revisions."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from shared.contracts.base import Message, Page, PagedQuestion, Question


class RevisionView(Message):
    """One revision of a source."""

    revision: int
    prepared_at: datetime
    ingested_at: datetime | None
    """When it began to answer; None if it never did."""
    answers: bool
    """Whether it answers now."""
    restored_from: int | None
    title: str | None
    url: str | None
    language: str | None
    characters: int
    chunk_count: int
    embedded_count: int
    embedding_model: str


class DocumentView(Message):
    """A document as it answers."""

    id: str
    source_id: str
    revision: int
    title: str | None
    url: str | None
    media_type: str | None
    size: int | None
    pages: int
    language: str | None
    characters: int
    chunk_count: int
    ingested_at: datetime


class ChunkView(Message):
    """A chunk of one revision: `text[start:end]` of its document."""

    id: str
    ordinal: int
    text: str
    start: int
    end: int
    heading: str | None
    page: int | None
    language: str | None


class Revisions(Page):
    items: tuple[RevisionView, ...]


class Documents(Page):
    items: tuple[DocumentView, ...]


class Chunks(Page):
    items: tuple[ChunkView, ...]


class GetRevisions(PagedQuestion[Revisions]):
    """Newest first."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_revisions"
    source_id: str


class GetDocuments(PagedQuestion[Documents]):
    """What answers of a source, and of its children, oldest first."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_documents"
    source_id: str


class GetChunks(PagedQuestion[Chunks]):
    """Chunks in the order of the text; of the revision that answers, unless another is named."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_chunks"
    source_id: str
    revision: int | None = Field(default=None, gt=0)


class Difference(Message):
    """From one revision's text to another's."""

    source_id: str
    before: int
    after: int
    added: int
    """Lines that only the later one has."""
    removed: int
    lines: tuple[str, ...]
    """A unified diff without its head: each line begins with a blank, `+`, `-` or `@@`."""
    shortened: bool
    """Whether there are more lines than these."""


class GetDifference(Question[Difference]):
    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_difference"
    source_id: str
    before: int = Field(gt=0)
    after: int = Field(gt=0)
