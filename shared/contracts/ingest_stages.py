"""Messages of ingest about the stages of a run, and about taking back what it came to."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message


class SourceMessage(Keyed):
    aggregate: ClassVar[str] = "source"
    source_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.source_id


class Batch(Message):
    """A blob of chunks with their vectors; see `shared.adapters.chunk_batch`."""

    ref: str
    count: int = Field(gt=0)


class Plan(Message):
    """A document that was read and cut; what is left to do is to embed its chunks."""

    recipe: str
    content_hash: str
    text_ref: str
    spans_ref: str
    """The blob that tells where the chunks are; see `shared.adapters.chunk_plan`."""
    title: str | None = None
    language: str | None = None
    characters: int = Field(ge=0)
    pages: int = Field(default=0, ge=0)
    """Pages, or slides; 0 for a document without."""
    chunk_count: int = Field(gt=0)


class RecordChunked(SourceMessage, Command):
    """The document was read and cut; `seconds` of each say how long it took."""

    verb: ClassVar[str] = "record_chunked"
    run_id: str
    plan: Plan
    read_seconds: float = Field(ge=0)
    split_seconds: float = Field(ge=0)


class RecordEmbedded(SourceMessage, Command):
    """A batch of chunks has its vectors."""

    verb: ClassVar[str] = "record_embedded"
    run_id: str
    number: int = Field(gt=0)
    """Of the batch, from 1."""
    batch: Batch
    embedded: int = Field(ge=0)
    """How many of its chunks had to be embedded."""


class RecordWaiting(SourceMessage, Command):
    """A provider takes no more for now; the run goes on at `until`."""

    verb: ClassVar[str] = "record_waiting"
    run_id: str
    until: datetime
    reason: str


class UndoSource(SourceMessage, Command):
    """Take back what was done last: the deletion, or the change to another revision."""

    verb: ClassVar[str] = "undo"


class SourceExtracted(SourceMessage, Event):
    """The text of the document was read."""

    name: ClassVar[str] = "extracted"
    run_id: str
    characters: int
    pages: int = 0
    language: str | None = None
    seconds: float


class SourceChunked(SourceMessage, Event):
    """The text was cut; an attempt that follows a killed one goes on from here."""

    name: ClassVar[str] = "chunked"
    run_id: str
    plan: Plan
    seconds: float


class SourceEmbedded(SourceMessage, Event):
    """A batch of chunks has its vectors, and is not embedded again."""

    name: ClassVar[str] = "embedded"
    run_id: str
    number: int
    batch: Batch
    done: int
    """Chunks that have their vectors by now."""
    total: int
    embedded: int
    """How many chunks of the batch had to be embedded."""


class SourceWaiting(SourceMessage, Event):
    """A provider takes no more for now. Nothing failed: the run goes on at `until`."""

    name: ClassVar[str] = "waiting"
    run_id: str
    until: datetime
    reason: str


class SourceUndone(SourceMessage, Event):
    """What was done last is taken back. If a revision answers again by it, that is prepared anew
    from what is stored, as the run `run_id`.
    """

    name: ClassVar[str] = "undone"
    run_id: str
    parent_id: str | None = None
    undeleted: bool
    is_active: bool
    restored: int | None = None
    """The revision that comes back."""
