"""Messages of the ingest service: sources and what became of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Command, Event, Message, Page, PagedQuestion, Question
from shared.contracts.ingest_stages import (
    Batch,
    RecordChunked,
    RecordEmbedded,
    RecordWaiting,
    SourceChunked,
    SourceEmbedded,
    SourceExtracted,
    SourceMessage,
    SourceUndone,
    SourceWaiting,
    UndoSource,
)

SourceType = Literal["text", "upload", "url", "nyxcore", "website"]
SourceStatus = Literal["pending", "processing", "ready", "error"]
RefreshSchedule = Literal["none", "hourly", "daily", "weekly"]
Authority = Literal["mandatory", "guideline", "informational"]

UPLOAD_TYPES: Mapping[str, str] = {
    ".bmp": "image/bmp",
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".eml": "message/rfc822",
    ".epub": "application/epub+zip",
    ".htm": "text/html",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".rtf": "application/rtf",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".webp": "image/webp",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
}
"""Endings of the files that can be uploaded, and what is in them."""
NYXCORE = "https://nyxcore.cloud"
"""Where a `nyxcore` source is that names no `base_url`."""
BATCH_CHILDREN = 500
"""Children of one batch at most: parent and children are stored in one atomic append, of which the
broker takes 1000 messages (NATS ADR-50).
"""


class SourceSettings(Message):
    """What an owner can change about a source."""

    name: str
    description: str = ""
    config: Mapping[str, Any] = Field(default_factory=dict)
    content_ref: str | None = None
    """The blob with the text, or the uploaded file, of a source that has its content with us."""
    media_type: str | None = None
    """Of an uploaded file; none for text."""
    token_ref: str | None = None
    """Where in the vault the token for a remote knowledge API lies."""
    refresh_schedule: RefreshSchedule | None = None
    refresh_cron: str | None = None
    """In place of `refresh_schedule`: five fields, as cron has them."""
    refresh_time_zone: str | None = None
    """In which the fields of `refresh_cron` are meant; UTC if none is named."""
    authority: Authority | None = None
    is_active: bool = True
    language: str | None = Field(default=None, pattern=r"^[a-z]{2}$")
    """ISO 639-1, for a source whose language is known better than it can be detected."""


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
    media_type: str | None = None
    size: int | None = None
    """Bytes of the document as it was fetched."""
    pages: int = Field(default=0, ge=0)
    restored_from: int | None = None
    """The revision that this one is again."""
    generation: int = Field(default=0, ge=0)
    """Of the bot's index whose settings it was made by."""


class CreateSource(SourceMessage, Command):
    verb: ClassVar[str] = "create"
    bot_profile_id: str
    parent_id: str | None = None
    source_type: SourceType
    settings: SourceSettings
    ingest: bool = False
    """Ask for the first ingestion in the same decision."""


class BatchChild(Message):
    """One child of a batch."""

    source_id: str
    source_type: SourceType
    settings: SourceSettings


class CreateSourceBatch(SourceMessage, Command):
    """Create a parent and its children, all or none."""

    verb: ClassVar[str] = "create_batch"
    bot_profile_id: str
    source_type: SourceType
    settings: SourceSettings
    children: tuple[BatchChild, ...]


class UpdateSource(SourceMessage, Command):
    """Change the named fields of `SourceSettings`, leave the others."""

    verb: ClassVar[str] = "update"
    changes: Mapping[str, Any]


class DeleteSource(SourceMessage, Command):
    """Delete a source, and its children before it."""

    verb: ClassVar[str] = "delete"
    with_parent: bool = False
    """It goes because its parent goes, and comes back with it."""


class RequestIngestion(SourceMessage, Command):
    """Fetch, prepare and index the source (again)."""

    verb: ClassVar[str] = "request_ingestion"


class RequestChildrenIngestion(SourceMessage, Command):
    """Fetch, prepare and index every active child that is not being processed."""

    verb: ClassVar[str] = "request_children_ingestion"


class ImportPage(SourceMessage, Command):
    """A page of a website was fetched: make its source if there is none, and ingest what came."""

    verb: ClassVar[str] = "import_page"
    bot_profile_id: str
    parent_id: str
    settings: SourceSettings
    raw_ref: str
    media_type: str
    requested_url: str
    etag: str | None = None
    last_modified: str | None = None
    size: int


class ConfirmPage(SourceMessage, Command):
    """A page of a website was asked for again, and is what it was."""

    verb: ClassVar[str] = "confirm_page"


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


class RecordRemote(SourceMessage, Command):
    """The knowledge stays where it is; only its size is known."""

    verb: ClassVar[str] = "record_remote"
    run_id: str
    document_count: int = Field(ge=0)
    chunk_count: int = Field(ge=0)


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
    changed: tuple[str, ...] = ()
    """The fields of `settings` that were otherwise before."""


class SourceDeleted(SourceMessage, Event):
    name: ClassVar[str] = "deleted"
    bot_profile_id: str
    parent_id: str | None = None
    with_parent: bool = False


class IngestionRequested(SourceMessage, Event):
    name: ClassVar[str] = "ingestion_requested"
    run_id: str


class ChildrenIngestionRequested(SourceMessage, Event):
    """Everybody below this parent who is not being processed is to be ingested."""

    name: ClassVar[str] = "children_ingestion_requested"


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
    """The revision is in the index; from now on it answers.

    A remote knowledge API is not indexed: its revision stays 0, and the counts are its own.
    """

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
    | CreateSourceBatch
    | UpdateSource
    | DeleteSource
    | UndoSource
    | RequestIngestion
    | RequestChildrenIngestion
    | ImportPage
    | ConfirmPage
    | StartIngestion
    | RecordFetched
    | RecordChunked
    | RecordEmbedded
    | RecordWaiting
    | RecordPrepared
    | RecordRemote
    | RecordUnchanged
    | RecordFailed
    | CompleteIngestion
)
SourceEvent = (
    SourceCreated
    | SourceUpdated
    | SourceDeleted
    | SourceUndone
    | IngestionRequested
    | ChildrenIngestionRequested
    | IngestionStarted
    | SourceFetched
    | SourceExtracted
    | SourceChunked
    | SourceEmbedded
    | SourceWaiting
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
    refresh_cron: str | None = None
    refresh_time_zone: str | None = None
    authority: Authority | None
    language: str | None
    """What was set, else what was detected."""
    revision: int = 0
    """The revision that answers; 0 if none does."""
    last_refreshed_at: datetime | None
    next_refresh_at: datetime | None = None
    children_count: int
    created_at: datetime
    updated_at: datetime


class TimelineEntry(Message):
    """One fact of a source's life."""

    sequence: int
    at: datetime
    event: str
    detail: str
    run_id: str | None = None
    attempt: int | None = None
    seconds: float | None = None
    """How long it took, or how long after the fact before it in the same run it came."""
    done: int | None = None
    total: int | None = None
    """Chunks embedded so far, of how many."""
    reason: str | None = None
    """Why it failed."""


class SourceViews(Page):
    items: tuple[SourceView, ...]


class Timeline(Page):
    items: tuple[TimelineEntry, ...]


class GetSource(Question[SourceView]):
    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_source"
    source_id: str


class ListSources(PagedQuestion[SourceViews]):
    """Active sources, newest first. Without `parent_id`: top level only, unless `flat`."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "list_sources"
    bot_profile_id: str | None = None
    parent_id: str | None = None
    flat: bool = False
    oldest_first: bool = False


class ChildrenCount(Message):
    idle: int
    """Active children that are not being processed."""


class CountChildren(Question[ChildrenCount]):
    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "count_children"
    source_id: str


class BotSources(Message):
    """Sources of one bot, inactive ones among them."""

    bot_profile_id: str
    sources: int
    ready: int
    chunks: int
    """Of active sources."""


class SourceTotals(Message):
    by_status: dict[SourceStatus, int]
    by_bot: tuple[BotSources, ...]
    """Of the bots with the most sources."""


class CountSources(Question[SourceTotals]):
    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "count_sources"


class GetTimeline(PagedQuestion[Timeline]):
    """What happened to a source, oldest first."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "get_timeline"
    source_id: str
