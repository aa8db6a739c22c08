"""Hand-written stand-ins for what an ingestion needs from the world."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from typing_extensions import override

from services.ingest.domain.shadow import Shadow
from services.ingest.domain.source import Absent, Present, source_decider
from services.ingest.ports import (
    Documents,
    Embedder,
    Extracted,
    Fetched,
    Fetcher,
    FetchFailed,
    NotModified,
    RemoteKnowledge,
    RemoteSize,
    Span,
    Unreadable,
)
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.ingest import SourceEvent
from shared.kernel.errors import Unavailable


@dataclass
class Aggregate:
    """One source, decided and evolved for real; remembers what was ordered."""

    history: list[SourceEvent]
    ordered: list[tuple[str, Command]] = field(default_factory=list)
    dies_at: str | None = None
    """The purpose at which the process is killed after its event is stored."""
    shadow: Shadow = field(default_factory=Shadow)

    @property
    def state(self) -> Absent | Present:
        return source_decider.fold(self.history)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.history]

    async def current(self, aggregate: str, _tenant: str, aggregate_id: str) -> Any:
        assert aggregate_id == "s1"
        return self.state if aggregate == "source" else self.shadow

    async def execute(self, command: Command, meta: Metadata, purpose: str) -> Done:
        known = {done for done, _ in self.ordered}
        self.ordered.append((purpose, command))
        if purpose not in known:
            self.history += source_decider.decide(self.state, command, meta)  # type: ignore[arg-type]  # of a source
        if purpose == self.dies_at:
            self.dies_at = None
            raise Killed
        return Done(position=len(self.history))


class Killed(Exception):
    """The process was killed here."""


class MemoryBlobs:
    """Content-addressed bytes per tenant."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}

    async def put(self, tenant_id: str, data: bytes) -> str:
        ref = hashlib.sha256(data).hexdigest()
        self.kept[tenant_id, ref] = data
        return ref

    async def get(self, tenant_id: str, ref: str) -> bytes:
        try:
            return self.kept[tenant_id, ref]
        except KeyError:
            raise Unavailable(f"blob {ref} cannot be read") from None


@dataclass
class ScriptedFetcher(Fetcher):
    """Answers in turn; the last answer repeats. Remembers the validators it was given."""

    answers: list[Fetched | NotModified | FetchFailed]
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    @override
    async def fetch(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified:
        self.asked.append((url, etag, last_modified))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, FetchFailed):
            raise answer
        return answer


@dataclass
class ScriptedKnowledge(RemoteKnowledge):
    """Has one answer. Remembers whom it was asked for, and with which token."""

    answer: RemoteSize | FetchFailed = field(default_factory=lambda: RemoteSize(2, 12))
    asked: list[tuple[str, str]] = field(default_factory=list)

    @override
    async def size(self, base_url: str, token: str) -> RemoteSize:
        self.asked.append((base_url, token))
        if isinstance(self.answer, FetchFailed):
            raise self.answer
        return self.answer


@dataclass
class LineDocuments(Documents):
    """Takes bytes for text, and every line for a chunk; fails as it is told."""

    error: Exception | None = None
    read_count: int = 0
    strict: bool | None = None
    """As it was asked for the last time."""

    @override
    async def read(self, data: bytes, media_type: str, *, strict: bool = False) -> Extracted:
        self.read_count += 1
        self.strict = strict
        if self.error is not None:
            raise self.error
        if data == b"\x00":
            raise Unreadable("The document cannot be read: the content is not text")
        return Extracted(data.decode().strip(), f"Title of {media_type}", "en")

    @override
    async def split(
        self, document: Extracted, *, max_chars: int, overlap: int, before: Sequence[str] = ()
    ) -> list[Span]:
        spans, start = [], 0
        for line in document.text.split("\n"):
            if line:
                spans.append(Span(start, start + len(line), "Heading"))
            start += len(line) + 1
        return spans


@dataclass
class CountingEmbedder(Embedder):
    """Vectors that tell which text they are of, and a list of what was paid for."""

    name: str = "model"
    embedded: list[str] = field(default_factory=list)

    @property
    @override
    def model(self) -> str:
        return self.name

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.embedded += texts
        return [hashlib.sha256(text.encode()).digest()[:8] for text in texts]


@dataclass
class ManualTimers:
    """Timers that a test lets go off; remembers each."""

    made: list[tuple[str, str, datetime, Metadata, bytes]] = field(default_factory=list)

    async def set(
        self, kind: str, timer_id: str, at: datetime, cause: Metadata, body: bytes = b""
    ) -> None:
        self.made.append((kind, timer_id, at, cause, body))
