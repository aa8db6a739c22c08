"""Messages of the ingest service: sources and what became of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Question

SourceType = Literal["text", "url"]
SourceStatus = Literal["pending", "processing", "ready", "error"]
RefreshSchedule = Literal["none", "hourly", "daily", "weekly"]
Authority = Literal["mandatory", "guideline", "informational"]


class SourceSettings(Message):
    """What an owner can change about a source."""

    name: str
    description: str = ""
    config: Mapping[str, Any] = Field(default_factory=dict)
    content_ref: str | None = None
    """The blob with the text of a `text` source."""
    refresh_schedule: RefreshSchedule | None = None
    authority: Authority | None = None
    is_active: bool = True


class Batch(Message):
    """A blob of chunks with their vectors; see `shared.adapters.chunk_batch`."""

    ref: str
    count: int = Field(gt=0)


class Prepared(Message):
    """One revision of a source, ready to be indexed: everything else lies in blobs."""

    revision: int = Field(gt=0)
    content_hash: str
    """SHA-256 of the normalised text."""
    recipe: str
    """Names the chunking and the embedding model; another recipe needs other chunks."""
    text_ref: str
    title: str | None = None
    url: str | None = None
    language: str | None = None
    characters: int = Field(ge=0)
    embedding_model: str
    dimension: int = Field(gt=0)
    chunk_count: int = Field(gt=0)
    embedded_count: int = Field(ge=0)
    """How many chunks had to be embedded; the others came from the revision before."""
    batches: tuple[Batch, ...]


class SourceMessage(Keyed):
    aggregate: ClassVar[str] = "source"
    source_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.source_id


class CreateSource(SourceMessage, Command):
    verb: ClassVar[str] = "create"
    bot_profile_id: str
    parent_id: str | None = None
    source_type: SourceType
    settings: SourceSettings


class UpdateSource(SourceMessage, Command):
    """Change the named fields of `SourceSettings`, leave the others."""

    verb: ClassVar[str] = "update"
    changes: Mapping[str, Any]


class DeleteSource(SourceMessage, Command):
    verb: ClassVar[str] = "delete"


class RequestIngestion(SourceMessage, Command):
    """Fetch, prepare and index the source (again)."""

    verb: ClassVar[str] = "request_ingestion"


class StartIngestion(SourceMessage, Command):
    verb: ClassVar[str] = "start_ingestion"
    run_id: str
    attempt: int


class RecordFetched(SourceMessage, Command):
    verb: ClassVar[str] = "record_fetched"
    run_id: str
    raw_ref: str
    media_type: str
    requested_url: str | None = None
    url: str | None = None
    """Where redirects led; what a citation shows."""
    etag: str | None = None
    last_modified: str | None = None
    size: int


class RecordPrepared(SourceMessage, Command):
    verb: ClassVar[str] = "record_prepared"
    run_id: str
    prepared: Prepared


class RecordUnchanged(SourceMessage, Command):
    verb: ClassVar[str] = "record_unchanged"
    run_id: str


class RecordFailed(SourceMessage, Command):
    verb: ClassVar[str] = "record_failed"
    run_id: str
    reason: str


class CompleteIngestion(SourceMessage, Command):
    verb: ClassVar[str] = "complete_ingestion"
    run_id: str
    revision: int


class SourceCreated(SourceMessage, Event):
    name: ClassVar[str] = "created"
    bot_profile_id: str
    parent_id: str | None = None
    source_type: SourceType
    settings: SourceSettings


class SourceUpdated(SourceMessage, Event):
    """The settings as they are from now on."""

    name: ClassVar[str] = "updated"
    bot_profile_id: str
    settings: SourceSettings


class SourceDeleted(SourceMessage, Event):
    name: ClassVar[str] = "deleted"
    bot_profile_id: str


class IngestionRequested(SourceMessage, Event):
    name: ClassVar[str] = "ingestion_requested"
    run_id: str


class IngestionStarted(SourceMessage, Event):
    name: ClassVar[str] = "ingestion_started"
    run_id: str
    attempt: int


class SourceFetched(SourceMessage, Event):
    name: ClassVar[str] = "fetched"
    run_id: str
    raw_ref: str
    media_type: str
    requested_url: str | None = None
    url: str | None = None
    """Where redirects led; what a citation shows."""
    etag: str | None = None
    last_modified: str | None = None
    size: int


class SourcePrepared(SourceMessage, Event):
    """A revision is ready to be indexed. Rebuilding the index replays this, and pays nothing."""

    name: ClassVar[str] = "prepared"
    run_id: str
    bot_profile_id: str
    source_name: str
    authority: Authority | None = None
    is_active: bool = True
    prepared: Prepared


class SourceUnchanged(SourceMessage, Event):
    """Fetched, and found to be what is already indexed."""

    name: ClassVar[str] = "unchanged"
    run_id: str


class SourceIngested(SourceMessage, Event):
    """The revision is in the index; from now on it answers."""

    name: ClassVar[str] = "ingested"
    run_id: str
    revision: int
    source_name: str
    document_count: int
    chunk_count: int


class SourceFailed(SourceMessage, Event):
    name: ClassVar[str] = "failed"
    run_id: str
    reason: str


SourceCommand = (
    CreateSource
    | UpdateSource
    | DeleteSource
    | RequestIngestion
    | StartIngestion
    | RecordFetched
    | RecordPrepared
    | RecordUnchanged
    | RecordFailed
    | CompleteIngestion
)
SourceEvent = (
    SourceCreated
    | SourceUpdated
    | SourceDeleted
    | IngestionRequested
    | IngestionStarted
    | SourceFetched
    | SourcePrepared
    | SourceUnchanged
    | SourceIngested
    | SourceFailed
)


class SourceView(Message):
    id: str
    tenant_id: str
    bot_profile_id: str
    parent_id: str | None
    name: str
    description: str
    source_type: SourceType
    status: SourceStatus
    config: Mapping[str, Any]
    document_count: int
    chunk_count: int
    error_message: str | None
    is_active: bool
    refresh_schedule: RefreshSchedule | None
    authority: Authority | None
    language: str | None
    last_refreshed_at: datetime | None
    children_count: int
    created_at: datetime
    updated_at: datetime


class TimelineEntry(Message):
    """One fact of a source's life."""

    sequence: int
    at: datetime
    event: str
    detail: str


class SourceViews(Message):
    items: tuple[SourceView, ...]


class Timeline(Message):
    items: tuple[TimelineEntry, ...]


class GetSource(Question[SourceView]):
    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_source"
    source_id: str


class ListSources(Question[SourceViews]):
    """Active sources, newest first. Without `parent_id`: top level only, unless `flat`."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "list_sources"
    bot_profile_id: str | None = None
    parent_id: str | None = None
    flat: bool = False


class GetTimeline(Question[Timeline]):
    """What happened to a source, oldest first."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_timeline"
    source_id: str
