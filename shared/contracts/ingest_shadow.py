"""Messages of ingest about shadows: a source's revision, cut and embedded for another generation
of its bot's index while the revision goes on answering as it is.
"""

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Question
from shared.contracts.chat_index import IndexSettings
from shared.contracts.ingest import Prepared
from shared.contracts.ingest_stages import Batch, Plan


class ShadowMessage(Keyed):
    aggregate: ClassVar[str] = "shadow"
    source_id: str
    generation: int = Field(gt=0)
    revision: int = Field(gt=0)

    @property
    @override
    def aggregate_id(self) -> str:
        return self.source_id


class RecordShadowChunked(ShadowMessage, Command):
    """The text of the revision was cut."""

    verb: ClassVar[str] = "record_chunked"
    plan: Plan
    embedding_model: str


class RecordShadowEmbedded(ShadowMessage, Command):
    """A batch of chunks has its vectors."""

    verb: ClassVar[str] = "record_embedded"
    number: int = Field(gt=0)
    """Of the batch, from 1."""
    batch: Batch
    embedded: int = Field(ge=0)
    """How many of its chunks had to be embedded."""


class RecordShadowPrepared(ShadowMessage, Command):
    verb: ClassVar[str] = "record_prepared"
    bot_profile_id: str
    prepared: Prepared


class RecordShadowFailed(ShadowMessage, Command):
    verb: ClassVar[str] = "record_failed"
    bot_profile_id: str
    reason: str


class ShadowChunked(ShadowMessage, Event):
    """The text was cut; an attempt that follows a killed one goes on from here."""

    name: ClassVar[str] = "chunked"
    plan: Plan
    embedding_model: str


class ShadowEmbedded(ShadowMessage, Event):
    """A batch of chunks has its vectors, and is not embedded again."""

    name: ClassVar[str] = "embedded"
    number: int
    batch: Batch
    done: int
    """Chunks that have their vectors by now."""
    total: int
    embedded: int


class ShadowPrepared(ShadowMessage, Event):
    """The revision is ready to be indexed in its generation."""

    name: ClassVar[str] = "prepared"
    bot_profile_id: str
    prepared: Prepared


class ShadowFailed(ShadowMessage, Event):
    """The revision cannot be made ready for this generation."""

    name: ClassVar[str] = "failed"
    bot_profile_id: str
    reason: str


ShadowCommand = (
    RecordShadowChunked | RecordShadowEmbedded | RecordShadowPrepared | RecordShadowFailed
)
ShadowEvent = ShadowChunked | ShadowEmbedded | ShadowPrepared | ShadowFailed


class ReindexEstimate(Message):
    """What it would take to index a bot anew. Counted from sizes; nothing is cut or embedded."""

    settings: IndexSettings
    """That were asked about."""
    needed: bool
    """Whether anything would differ from what answers."""
    sources: int
    chunks: int
    tokens: int
    price_usd: float | None
    """None: the price of the model is not known."""


class EstimateReindex(Question[ReindexEstimate]):
    """What it would cost to cut and embed a bot's sources by these settings."""

    service: ClassVar[str] = "ingest"
    name: ClassVar[str] = "estimate_reindex"
    bot_profile_id: str
    settings: IndexSettings
    """As they would be used."""
