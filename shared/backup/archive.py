"""The format of a backup: a folder of segments, blobs and keys, and a manifest written last.

A segment is a gzip file with a line of JSON for each message of a stream, as it is stored: what is
encrypted stays so. A folder without a manifest is no backup.
"""

import base64
import gzip
import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import override

from shared.embedded.data_dir import write_private
from shared.kernel.errors import Unusable

MANIFEST = "manifest.json"
FORMAT = 1
LEVEL = 3
"""Of gzip: most of what there is to save, at a third of the time of its default."""
PIECE = 1024 * 1024
"""Bytes of a file that are held at a time."""


class Stored(BaseModel):
    """One message of a stream."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes

    def line(self) -> bytes:
        """As JSON; a body that is no text in base64."""
        body: dict[str, Any] = {
            "sequence": self.sequence,
            "subject": self.subject,
            "headers": self.headers,
        }
        try:
            body["body"] = self.data.decode()
        except UnicodeDecodeError:
            body["base64"] = base64.b64encode(self.data).decode()
        return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def read(cls, line: bytes) -> "Stored":
        """Raises `ValueError` or `KeyError` if it is none."""
        found = orjson.loads(line)
        coded = found.get("base64")
        data = found["body"].encode() if coded is None else base64.b64decode(coded)
        return cls(
            sequence=found["sequence"],
            subject=found["subject"],
            headers=found["headers"],
            data=data,
        )


class Segment(BaseModel):
    """A file with a run of a stream's messages."""

    model_config = ConfigDict(frozen=True)

    stream: str
    file: str
    messages: int
    first: int
    last: int
    sha256: str


class Durable(BaseModel):
    """A consumer of the log, and up to where it had settled everything."""

    model_config = ConfigDict(frozen=True)

    config: dict[str, Any]
    """As on the wire."""
    settled: int


class Manifest(BaseModel):
    """What a backup holds."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    version: str
    """Of the MiniRAG that made it."""
    made_at: datetime
    log: str
    """Identity of the log it was taken from."""
    last_sequence: int
    segments: tuple[Segment, ...]
    durables: tuple[Durable, ...]
    blobs: int
    keys: tuple[str, ...] = ()
    """Files of the data directory that came along."""

    def of(self, stream: str) -> Sequence[Segment]:
        """Its segments, in order."""
        return [segment for segment in self.segments if segment.stream == stream]


class Archive:
    """A folder that holds a backup, or is to hold one."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.blobs = self.path / "blobs"
        self.keys = self.path / "keys"
        self._streams = self.path / "streams"
        self._manifest = self.path / MANIFEST

    def prepare(self) -> None:
        """Make the folder. Raises `Unusable` if something else is in it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            strange = {entry.name for entry in self.path.iterdir()} - {
                MANIFEST, self.blobs.name, self.keys.name, self._streams.name,
            }  # fmt: skip
            if strange:
                raise Unusable(f"{self.path} holds something else ({min(strange)}); name another")
            for folder in (self.blobs, self.keys, self._streams):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Unusable(f"the folder {self.path} cannot be used: {error}") from error

    def manifest(self) -> Manifest | None:
        """None if there is none (yet). Raises `Unusable` if this version cannot read it."""
        try:
            found = orjson.loads(self._manifest.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Unusable(f"{self._manifest} cannot be read: {error}") from error
        if isinstance(found, dict) and found.get("format") != FORMAT:
            raise Unusable(f"{self.path} was made by a newer version, {found.get('version')}")
        try:
            return Manifest.model_validate(found)
        except ValidationError as error:
            raise Unusable(f"{self._manifest} is no manifest of a backup") from error

    def finish(self, manifest: Manifest) -> None:
        """Make the backup valid, and remove segments that belong to none."""
        write_private(self._manifest, orjson.dumps(manifest.model_dump(mode="json")))
        kept = {segment.file for segment in manifest.segments}
        for file in self._streams.iterdir():
            if file.name not in kept:
                file.unlink()

    @contextmanager
    def writing(self, stream: str, name: str) -> Iterator["SegmentWriter"]:
        """A segment that is complete, and on the disk, when this ends."""
        path = self._streams / f"{stream}-{name}.jsonl.gz"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            writer = SegmentWriter(stream, path.name, file)
            yield writer
            writer.close()
            file.flush()
            os.fsync(file.fileno())

    def messages(self, segment: Segment) -> Iterator[Stored]:
        """In order, one at a time. Raises `Unusable` at one that cannot be read."""
        try:
            with gzip.open(self._streams / segment.file) as lines:
                for line in lines:
                    yield Stored.read(line)
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise Unusable(f"{segment.file} of the backup cannot be read: {error}") from error

    def faults(self, segment: Segment) -> str | None:
        """What is wrong with a segment; None if nothing is."""
        try:
            with (self._streams / segment.file).open("rb") as file:
                if _digest(file) != segment.sha256:
                    return f"{segment.file} is damaged"
        except OSError as error:
            return f"{segment.file} cannot be read: {error.strerror}"
        return None


class SegmentWriter:
    """Takes the messages of one segment."""

    def __init__(self, stream: str, name: str, file: IO[bytes]) -> None:
        self._stream = stream
        self._name = name
        self._hashed = _Hashing(file)
        self._gzip = gzip.GzipFile(fileobj=self._hashed, mode="wb", compresslevel=LEVEL, mtime=0)
        self._messages = self._first = self._last = 0

    def write(self, messages: Sequence[Stored]) -> None:
        for message in messages:
            self._gzip.write(message.line())
            self._first = self._first or message.sequence
            self._last = message.sequence
        self._messages += len(messages)

    def close(self) -> None:
        self._gzip.close()

    @property
    def segment(self) -> Segment:
        """What was written; to be asked after `close`."""
        return Segment(
            stream=self._stream,
            file=self._name,
            messages=self._messages,
            first=self._first,
            last=self._last,
            sha256=self._hashed.digest.hexdigest(),
        )


class _Hashing(io.RawIOBase):
    """A file that hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.digest = hashlib.sha256()

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Any, /) -> int:
        self.digest.update(data)
        return self._file.write(data)


def _digest(file: IO[bytes]) -> str:
    hashing = hashlib.sha256()
    while piece := file.read(PIECE):
        hashing.update(piece)
    return hashing.hexdigest()
