"""What ingest needs from the world, as protocols."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.contracts.base import Metadata
from shared.contracts.chat_index import IndexSettings


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server, or the blob store, gave."""

    url: str | None
    """Where redirects led."""
    data: bytes
    media_type: str
    """With its charset parameter, as the server said it."""
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The server says that nothing changed since the given validators."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """The server says that it is elsewhere."""

    url: str


@dataclass(frozen=True, slots=True)
class Robots:
    """What robots.txt says to us."""

    delay_seconds: float | None
    sitemaps: tuple[str, ...]
    allowed: tuple[bool, ...]
    """Of the addresses that were asked about, in their order."""


@dataclass(frozen=True, slots=True)
class Sitemap:
    """One file: addresses of pages, and of further sitemaps."""

    pages: tuple[str, ...]
    nested: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageScan:
    """What a page says of itself, beside its text."""

    title: str | None
    links: tuple[str, ...]
    """As they stand in the page, without those that are not to be followed."""
    base: str
    canonical: str | None
    indexable: bool
    content_hash: str | None
    """SHA-256 of what can be seen; none: nothing can be."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """Normalised text with Markdown structure."""

    text: str
    title: str | None
    language: str | None
    """ISO 639-1, or None if it cannot be told."""
    pages: tuple[tuple[int, int], ...] = ()
    """Where in the text which page begins: offset and number, in order."""


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk: `text[start:end]` to the character, under the headings above it."""

    start: int
    end: int
    heading: str | None = None
    page: int | None = None
    """The page it begins on, for documents that have pages."""
    language: str | None = None
    """ISO 639-1; that of the document where a chunk is too short to tell."""


class FetchFailed(Exception):
    """`reason` is for people; `retryable` says whether another attempt may help, `retry_after` in
    how many seconds the server wants to be asked again.
    """

    def __init__(self, reason: str, *, retryable: bool, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after


class Unreadable(Exception):
    """The document holds no text we can use; `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pauses(Protocol):
    """Until when providers are left in peace, for all replicas."""

    async def left(self, account: str) -> float:
        """Seconds until the provider may be asked for this account again; 0: now.

        Raise `Unavailable`.
        """
        ...

    async def pause(self, account: str, seconds: float) -> None:
        """Leave it in peace for so long at least. Raise `Unavailable`."""
        ...


class Fetcher(Protocol):
    async def fetch(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified:
        """Raise `FetchFailed`."""
        ...


class PageFetcher(Fetcher, Protocol):
    async def visit(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None
    ) -> Fetched | NotModified | Redirected:
        """As `fetch`, without following redirects. Raise `FetchFailed`."""
        ...


class HostPace(Protocol):
    async def reserve(self, site: str, delay: float, patience: float) -> float:
        """Seconds until this caller may ask the site; no other, in whatever process, before.

        If that is more than `patience`, nothing is reserved: ask again by then.
        """
        ...

    async def hold(self, site: str, seconds: float) -> None:
        """Nobody asks the site for so many seconds from now."""
        ...


class Pages(Protocol):
    """Reads what a site sends, without trust. Raise `Unreadable` for what cannot be read."""

    async def robots(self, data: bytes, urls: Sequence[str]) -> Robots: ...

    async def sitemap(self, data: bytes, limit: int) -> Sitemap:
        """At most `limit` addresses."""
        ...

    async def scan(self, data: bytes, media_type: str, url: str) -> PageScan:
        """Raise `Unreadable` too for what is no document."""
        ...


class Documents(Protocol):
    async def read(self, data: bytes, media_type: str, *, strict: bool = False) -> Extracted:
        """Text of a document, by its media type. `strict`: text must be UTF-8, nothing is guessed.

        Raise `Unreadable`, or `Unavailable` if the worker died.
        """
        ...

    async def split(
        self, document: Extracted, *, max_chars: int, overlap: int, before: Sequence[str] = ()
    ) -> list[Span]:
        """Chunks of at most `max_chars` characters, on semantic boundaries, in order.

        `before` are the chunks of the revision before; those that still stand there are kept.
        Raise `Unreadable`, or `Unavailable` if the worker died.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemoteSize:
    """How much a remote knowledge API can answer from."""

    documents: int
    chunks: int


class RemoteKnowledge(Protocol):
    async def size(self, base_url: str, token: str) -> RemoteSize:
        """Raise `FetchFailed`; its reason does not tell the token."""
        ...


class EmbeddingRefused(Exception):
    """An embedding model cannot be used as it is set up; `reason` is for people, without a key."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Embedder(Protocol):
    @property
    def model(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One unit vector per text, as little-endian float32 bytes, all of one length.

        Raise `EmbeddingRefused`, `Throttled` if the provider takes no more for now, or
        `Unavailable` if another attempt may help.
        """
        ...


class Embedders(Protocol):
    @property
    def bundled(self) -> str:
        """The model that is used where no other is named."""
        ...

    def named(self, model: str, credentials: Mapping[str, str], chat_model: str) -> Embedder:
        """Raise `EmbeddingRefused` if the bot has no way to reach it."""
        ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """How the sources of a bot are cut and embedded."""

    generation: int
    """Of the bot's index."""
    embedder: Embedder
    max_chars: int
    overlap: int


@dataclass(frozen=True, slots=True)
class BotIndexed:
    """What ingest knows of a bot's index."""

    generation: int
    settings: IndexSettings
    building: int | None
    building_settings: IndexSettings | None
    chat_model: str
    credentials_ref: str | None

    def settings_of(self, generation: int) -> IndexSettings | None:
        """None for a generation that neither answers nor is being built."""
        if generation == self.generation:
            return self.settings
        return self.building_settings if generation == self.building else None


class BotIndexes(Protocol):
    async def bot(self, tenant_id: str, bot_profile_id: str) -> BotIndexed:
        """The defaults for a bot of which nothing is known yet."""
        ...

    async def current_sources(
        self, tenant_id: str, bot_profile_id: str, after: str, limit: int
    ) -> Sequence[str]:
        """Sources of the bot that have a revision that answers, by id, behind `after`."""
        ...


class ShadowIndexes(Protocol):
    """Of the runs that are under way."""

    async def settings(self, tenant_id: str, run_id: str) -> Sequence[IndexSettings]:
        """Of the run's indexes, by number; none once it is over."""
        ...

    async def of_bot(self, tenant_id: str, bot_profile_id: str) -> Sequence[str]:
        """Ids of runs of the bot that have indexes of their own."""
        ...


class Timers(Protocol):
    """Of the broker."""

    async def set(
        self, kind: str, timer_id: str, at: datetime, cause: Metadata, body: bytes = b""
    ) -> None: ...


class Tick(Protocol):
    """A timer that went off."""

    @property
    def timer_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def metadata(self) -> Metadata: ...
