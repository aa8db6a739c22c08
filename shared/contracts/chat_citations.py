"""Where an answer's passages stand, as messages of the chat service tell it."""

from shared.contracts.base import Message


class SourceHit(Message):
    """A retrieved passage, as clients of the original see it."""

    chunk_id: str
    content: str
    score: float
    source_id: str


class Citation(Message):
    """Where a passage of an answer's context stands: exact revision and character span."""

    citation_id: str
    n: int
    source_id: str
    document_id: str
    chunk_id: str
    title: str | None = None
    url: str | None = None
    heading: str | None = None
    page: int | None = None
    """The page, or slide, on which the passage begins."""
    revision: int
    text_ref: str
    start: int
    end: int
    score: float
    snippet: str
    """The first 200 characters."""
    authority: str | None = None

    @property
    def hit(self) -> SourceHit:
        """As clients of the original see it."""
        return SourceHit(
            chunk_id=self.chunk_id,
            content=self.snippet,
            score=self.score,
            source_id=self.source_id,
        )
