"""A tenant as one file: a ZIP archive that is written and read without being held in memory.

    events.jsonl      what happened, a line for each event, in the order of the log
    blobs/<digest>    its files, texts, chunks and vectors, named by the SHA-256 of their bytes
    manifest.json     what this is, and the checksum of the events; last, as it is known last

Nothing is ever unpacked to a path that an archive names.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Any, Literal, Self

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.contracts.base import Message
from shared.kernel.errors import Unusable

FORMAT = "minirag-tenant"
VERSION = 1
MANIFEST = "manifest.json"
EVENTS = "events.jsonl"
BLOBS = "blobs/"
BLOB = re.compile(r"blobs/([0-9a-f]{64})", re.ASCII)
LEFT_OUT = (
    "api tokens",
    "deliveries of webhooks",
    "knowledge api tokens",
    "passwords",
    "provider keys",
    "sessions",
    "webhook secrets",
)
"""What has to be made or entered again, and what belongs to the installation it was done by."""
LONGEST_LINE = 4_000_000
"""Bytes of one event; in the log it has a quarter of that."""
LARGEST_BLOB = 1_000_000_000
LARGEST_MANIFEST = 100_000
PIECE = 1024 * 1024
DAMAGE = (OSError, EOFError, ValueError, KeyError, NotImplementedError, zlib.error)
"""What `zipfile` and `zlib` raise besides `BadZipFile`."""
ENCRYPTED = 1
"""The flag of an entry that needs a password."""


class Manifest(Message):
    """What an archive is and holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["minirag-tenant"]
    version: Literal[1]
    made_at: datetime
    made_by: str
    """Version of the program."""
    tenant_id: str
    events: int
    events_sha256: str
    blobs: int
    left_out: tuple[str, ...]


Name = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]
"""What may stand in a header of the log."""


class OriginLine(BaseModel):
    """From where a person ordered something."""

    user_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    address: str
    user_agent: str


class EventLine(BaseModel):
    """One event, in clear."""

    model_config = ConfigDict(extra="forbid")
    id: Name
    type: str
    at: AwareDatetime
    actor: Name
    command: Name
    correlation: Name
    cause: Name | None = None
    trace: Name | None = None
    origin: OriginLine | None = None
    body: dict[str, Any]


class _Sink:
    """A file that is handed on while it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class ArchiveWriter:
    """Every call returns the bytes that are to be handed on. Compresses: not for the event loop."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        self._open: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._events = self._blobs = 0

    def events(self, lines: Sequence[EventLine]) -> bytes:
        """All events come before the first blob."""
        if self._open is None:
            self._open = self._zip.open(EVENTS, "w", force_zip64=True)
        for line in lines:
            data = orjson.dumps(line.model_dump(mode="json")) + b"\n"
            self._hash.update(data)
            self._open.write(data)
        self._events += len(lines)
        return self._sink.taken()

    def blob(self, digest: str, data: bytes) -> bytes:
        self._end_events()
        self._zip.writestr(BLOBS + digest, data)
        self._blobs += 1
        return self._sink.taken()

    def end(self, tenant_id: str, made_at: datetime, made_by: str) -> bytes:
        self._end_events()
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            made_at=made_at,
            made_by=made_by,
            tenant_id=tenant_id,
            events=self._events,
            events_sha256=self._hash.hexdigest(),
            blobs=self._blobs,
            left_out=LEFT_OUT,
        )
        text = orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_INDENT_2)
        self._zip.writestr(MANIFEST, text + b"\n")
        self._zip.close()
        return self._sink.taken()

    def _end_events(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class ArchiveReader:
    """An archive that somebody hands in. Everything raises `Unusable`, in words for people."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise Unusable(f"{path} is no archive of a tenant, or damaged: {error}") from error
        try:
            self.digests = tuple(self._members())
            self.manifest = self._manifest()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def lines(self) -> Iterator[EventLine]:
        """The events. The last is given only once the checksum of all is right."""
        hashing = hashlib.sha256()
        count = 0
        before: EventLine | None = None
        for data in self._raw_lines():
            hashing.update(data)
            count += 1
            if before is not None:
                yield before
            before = _line(data, count)
        right = (self.manifest.events, self.manifest.events_sha256)
        if (count, hashing.hexdigest()) != right:
            raise Unusable("the archive is damaged: its events are not those that were written")
        if before is not None:
            yield before

    def copy_blob(self, digest: str, into: IO[bytes]) -> None:
        """Write the blob to `into`; what was written is not its own if this raises."""
        hashing = hashlib.sha256()
        with _reading(), self._zip.open(BLOBS + digest) as member:
            while piece := member.read(PIECE):
                hashing.update(piece)
                into.write(piece)
        if hashing.hexdigest() != digest:
            raise Unusable(f"the archive is damaged: blob {digest} holds other bytes")

    def _raw_lines(self) -> Iterator[bytes]:
        with _reading(), self._zip.open(EVENTS) as member:
            while data := member.readline(LONGEST_LINE + 1):
                if len(data) > LONGEST_LINE:
                    raise Unusable("the archive holds an event that is larger than any can be")
                yield data

    def _members(self) -> Iterator[str]:
        """The digests of the blobs; refuse what an archive of ours never holds."""
        seen: set[str] = set()
        for member in self._zip.infolist():
            name = member.filename
            blob = BLOB.fullmatch(name)
            if blob is None and name not in (MANIFEST, EVENTS):
                raise Unusable(f"the archive holds {name!r}, which does not belong there")
            if name in seen:
                raise Unusable(f"the archive holds {name} twice")
            seen.add(name)
            if member.flag_bits & ENCRYPTED:
                raise Unusable("the archive is protected by a password: give one without")
            if blob is not None:
                if member.file_size > LARGEST_BLOB:
                    raise Unusable(f"{name} is larger than {LARGEST_BLOB // 1_000_000} MB")
                yield blob.group(1)
        if missing := {MANIFEST, EVENTS} - seen:
            raise Unusable(f"the archive lacks {', '.join(sorted(missing))}")

    def _manifest(self) -> Manifest:
        with _reading(), self._zip.open(MANIFEST) as member:
            text = member.read(LARGEST_MANIFEST + 1)
        try:
            found = orjson.loads(text) if len(text) <= LARGEST_MANIFEST else None
        except ValueError as error:
            raise Unusable("the manifest of the archive is damaged") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise Unusable("this is no archive of a tenant")
        if found.get("version") != VERSION:
            raise Unusable(
                f"the archive has version {found.get('version')!r} of the format; "
                f"this program reads version {VERSION}"
            )
        try:
            manifest = Manifest.model_validate(found)
        except ValidationError as error:
            raise Unusable(
                f"the manifest of the archive is damaged: {_complaint(error)}"
            ) from error
        if manifest.blobs != len(self.digests):
            raise Unusable(
                f"the archive is damaged: it holds {len(self.digests)} blobs, "
                f"its manifest tells of {manifest.blobs}"
            )
        return manifest


@contextmanager
def _reading() -> Iterator[None]:
    """Tell damage that shows while a member is read."""
    try:
        yield
    except (*DAMAGE, zipfile.BadZipFile) as error:
        raise Unusable(f"the archive is damaged: {error}") from error


def _line(data: bytes, number: int) -> EventLine:
    try:
        return EventLine.model_validate(orjson.loads(data))
    except ValidationError as error:
        raise Unusable(f"line {number} of the events is damaged: {_complaint(error)}") from error
    except ValueError as error:
        raise Unusable(f"line {number} of the events is no JSON") from error


def _complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
