"""Named places where a crash would matter, at which a test may have the process end or fail.

The code only says `faults.passed(FaultPoint.X)`. That does nothing and costs a call, unless
`MINIRAG_FAULT_DIR` told the runtime to bind something else to it: see `shared.runtime.faults`.
"""

from enum import StrEnum
from typing import Protocol


class FaultPoint(StrEnum):
    """Every fault point there is. What stands below a name has happened when it is passed."""

    ORDER_STORED = "order.stored"
    """The gateway has stored a command and nobody was answered."""
    LOG_APPENDING = "log.appending"
    """Events are decided and nothing of them is stored."""
    LOG_BATCHED = "log.batched"
    """All events of an atomic batch but the last are with the broker."""
    LOG_APPENDED = "log.appended"
    """Events are stored and no row shows them."""
    COMMAND_ROWS = "command.rows"
    """Rows and outcome of a command are written and not committed."""
    COMMAND_SHOWN = "command.shown"
    """Rows and outcome are committed and nobody was told."""
    COMMAND_HANDLED = "command.handled"
    """A command's outcome was told and it is not acknowledged."""
    COMMAND_ACKNOWLEDGED = "command.acknowledged"
    JOB_HANDLED = "job.handled"
    """A job is done and not acknowledged."""
    JOB_ACKNOWLEDGED = "job.acknowledged"
    REACTION_HANDLED = "reaction.handled"
    """A reaction is done and its event is not acknowledged."""
    REACTION_ACKNOWLEDGED = "reaction.acknowledged"
    TIMER_HANDLED = "timer.handled"
    """What a timer was for is done and its tick is not acknowledged."""
    TIMER_ACKNOWLEDGED = "timer.acknowledged"
    PROJECTOR_MOVED = "projector.moved"
    """The checkpoint was moved behind a batch of events that no row shows."""
    PROJECTOR_ROWS = "projector.rows"
    """The events are in the rows as well and nothing is committed."""
    PROJECTOR_COMMITTED = "projector.committed"
    BLOB_WRITING = "blob.writing"
    """A blob is not there and is about to be written."""
    BLOB_WRITTEN = "blob.written"
    """A blob is there and not on the disk yet."""
    BLOB_SYNCED = "blob.synced"
    """A blob is on the disk and no event refers to it."""
    INGEST_STARTED = "ingest.started"
    INGEST_FETCHED = "ingest.fetched"
    """What was fetched is told."""
    INGEST_EXTRACTED = "ingest.extracted"
    """A document is read and nothing of that is stored."""
    INGEST_CHUNKED = "ingest.chunked"
    """How it is cut is told."""
    INGEST_EMBEDDED = "ingest.embedded"
    """A batch is embedded and stored and not told. About: source, run, number of the batch, texts
    that the embedder was given."""
    INGEST_BATCH_TOLD = "ingest.batch_told"
    """A batch is told, so that it is not embedded again. About: source, run, number."""
    INGEST_PREPARED = "ingest.prepared"
    """The whole revision is told."""
    INDEX_UPSERTED = "index.upserted"
    """Points are in the index and not flushed."""
    INDEX_FLUSHED = "index.flushed"
    """Points are on the disk and no row names their revision."""
    INDEX_DELETED = "index.deleted"
    """Points of former revisions are out and that is not flushed."""
    CRAWL_VISITED = "crawl.visited"
    """A page was asked for and its source made, and the visit is not told."""
    CRAWL_RECORDED = "crawl.recorded"
    """The visit is told and the next page is not chosen."""
    ERASURE_KEYS = "erasure.keys"
    """The keys of a whole tenant are destroyed and that is not told."""
    ERASURE_CLEARED = "erasure.cleared"
    """A service has cleared what it keeps of something erased and has not said so."""
    SCHEDULE_WOKEN = "schedule.woken"
    """A slot has come and nothing was done about it."""
    SCHEDULE_FIRED = "schedule.fired"
    """That the slot has come is told and no timer is set for the next one."""
    CHAT_RETRIEVED = "chat.retrieved"
    """Passages for a question are found and nothing was said."""
    CHAT_FRAME = "chat.frame"
    """A frame of a turn is published: its words, or its end."""
    CHAT_SPOKEN = "chat.spoken"
    """Everything was said and the answer is not stored."""
    CHAT_ANSWERED = "chat.answered"
    """The answer is stored and its reader was not told the end."""
    CHAT_ENDED = "chat.ended"
    """The end was told and the question is not acknowledged."""


class Passed(Protocol):
    """What is called at a point; `about` says whose work it is, where that matters."""

    def __call__(self, point: FaultPoint, /, *about: object) -> None: ...


def _nothing(_point: FaultPoint, /, *_about: object) -> None:
    pass


passed: Passed = _nothing
