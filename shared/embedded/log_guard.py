"""Watches the files of the log, which the broker itself does not look at again.

A running nats-server answers from its memory and appends behind a damage; at its next start it
takes what it can read for the whole log and gives used places to new events. The files of the log
only ever grow, since nothing is deleted from it. So of each file is known up to where it was seen,
and the checksum of that part, kept beside the store: what is shorter, gone or different is damaged.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from shared.embedded.data_dir import write_private
from shared.kernel.errors import Unusable

PIECE = 1024 * 1024
"""Bytes of a file that are held at a time."""
SCRUB_BYTES = 16 * PIECE
"""How much of what nobody wrote to is read again in one round, from the disk itself: a disk can
forget a bit without a trace in the file's times."""
LENGTH = struct.Struct("<I")
HAS_HEADERS = 0x8000_0000
SHORTEST, LONGEST = 30, 64 * PIECE
"""Bytes of a record in a file of nats-server: with its frame only, and with more than may be."""


@dataclass(frozen=True, slots=True)
class Known:
    """The part of a file that was there, whole, for a round at least."""

    size: int
    checksum: int
    """CRC-32: it need not withstand an attacker, who could change this one too."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was in the last round."""

    end: int
    """Of its last whole record. What is behind it may yet be taken back, if the broker dies."""
    changed: int
    """Its time of change, in nanoseconds."""


class LogGuard:
    """Of one store of a broker on this machine. Reads files; not for the event loop."""

    def __init__(self, store: Path, kept: Path, stream: str = "EVENTS") -> None:
        """`kept` is where it keeps what it knows from one run to the next."""
        self._store = store
        self._kept = kept
        self._stream = stream
        self._known: dict[str, Known] = {}
        self._seen: dict[str, Seen] = {}
        self._scrubbed = ""
        self._turn = Lock()

    def before_start(self) -> None:
        """Raise `Unusable` if the broker would find a log that is not what it was."""
        with self._turn:
            self._known = self._read()
            self._seen.clear()
            damage = self._round()
        if damage is not None:
            raise Unusable(
                f"the log is damaged: {damage}. The broker is not started on it, as it would drop "
                "more. Restore a backup into another folder; to go on with what is left, whatever "
                f"is missing, remove {self._kept}"
            )

    def check(self) -> str | None:
        """All that is known, read once; learns and keeps nothing. Raises as `before_start`."""
        with self._turn:
            self._known = self._read()
            self._seen.clear()
            return self._damage()

    def look(self) -> str | None:
        """One round; what is damaged, None if nothing is."""
        with self._turn:
            return self._round()

    def _round(self) -> str | None:
        if (damage := self._damage()) is not None:
            return damage
        files = self._files()
        grown = dict(self._known)
        for name, path in files.items():
            try:
                found = self._grown(name, path)
            except FileNotFoundError:
                continue
            if found.size:  # the broker removes a file that nothing was ever written to
                grown[name] = found
        if grown != self._known:
            self._known = grown
            self._write()
        return None

    def _damage(self) -> str | None:
        files = self._files()
        budget = SCRUB_BYTES
        for name in self._in_turn():
            path = files.get(name)
            if path is None:
                return f"the file {name} is gone"
            try:
                spent, damage = self._checked(name, path, budget)
            except OSError as error:
                return f"the file {name} cannot be read: {error.strerror}"
            if damage is not None:
                return damage
            budget -= spent
        return None

    def _in_turn(self) -> Iterator[str]:
        """Every known file, from the one behind the last that was read again."""
        names = sorted(self._known)
        behind = [name for name in names if name > self._scrubbed]
        yield from behind
        yield from names[: len(names) - len(behind)]

    def _checked(self, name: str, path: Path, budget: int) -> tuple[int, str | None]:
        """How many bytes were read only to be sure, and what is wrong."""
        known, seen = self._known[name], self._seen.get(name)
        found = path.stat()
        if found.st_size < known.size:
            return 0, f"the file {name} lost {known.size - found.st_size} bytes"
        touched = seen is None or seen.changed != found.st_mtime_ns
        if not touched and budget <= 0:
            return 0, None
        with path.open("rb") as file:
            if not touched:
                self._scrubbed = name
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if _checksum(file, known.size) != known.checksum:
                return 0, f"the file {name} does not hold what was written to it"
        return 0 if touched else known.size, None

    def _grown(self, name: str, path: Path) -> Known:
        known, seen = self._known.get(name, Known(0, 0)), self._seen.get(name)
        found = path.stat()
        if seen is not None and seen.changed == found.st_mtime_ns and seen.end <= known.size:
            return known
        with path.open("rb") as file:
            if seen is not None and seen.end > known.size:
                # Whoever wrote it has synced it; a power cut must not make a liar of us.
                os.fsync(file.fileno())
                file.seek(known.size)
                checksum = _checksum(file, seen.end - known.size, known.checksum)
                known = Known(seen.end, checksum)
            end = _whole_records(file, known.size, found.st_size)
        self._seen[name] = Seen(end, found.st_mtime_ns)
        return known

    def _files(self) -> Mapping[str, Path]:
        folders = self._store.glob(f"jetstream/*/streams/{self._stream}/msgs")
        return {path.name: path for folder in folders for path in folder.glob("*.blk")}

    def _read(self) -> dict[str, Known]:
        try:
            found = json.loads(self._kept.read_bytes())
            return {name: Known(*known) for name, known in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise Unusable(f"{self._kept} cannot be read ({error}); remove it") from error

    def _write(self) -> None:
        body = {name: [known.size, known.checksum] for name, known in self._known.items()}
        # On a full disk what was kept before stays, and that is still true: files only grow.
        with suppress(OSError):
            write_private(self._kept, json.dumps(body).encode())


def _checksum(file: BinaryIO, size: int, checksum: int = 0) -> int:
    """Of the next `size` bytes behind those of `checksum`."""
    while size > 0 and (piece := file.read(min(size, PIECE))):
        checksum = zlib.crc32(piece, checksum)
        size -= len(piece)
    return checksum


def _whole_records(file: BinaryIO, start: int, size: int) -> int:
    """Where the last whole record behind `start`, which is the end of one, ends."""
    end = start
    while end + LENGTH.size <= size:
        file.seek(end)
        (length,) = LENGTH.unpack(file.read(LENGTH.size).ljust(LENGTH.size, b"\0"))
        length &= ~HAS_HEADERS
        if not SHORTEST <= length <= LONGEST or end + length > size:
            break
        end += length
    return end
