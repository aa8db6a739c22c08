"""Takes a backup while everything runs.

The order is what makes it consistent. What is still to be done is read before the log: work that
ends meanwhile is in the log, and is done again at most. Keys and blobs are read after it: each is
stored before the event that needs it. So every write that was acknowledged before the backup began
is in it, and everything in it can be read.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path

from nats.aio.client import Client
from nats.js import api

from shared.adapters.blobs import Blobs
from shared.adapters.event_log import STREAM as LOG
from shared.adapters.topology import IDEMPOTENCY_BUCKET, STREAMS
from shared.adapters.vault import BUCKET
from shared.backup import streams
from shared.backup.archive import Archive, Durable, Manifest, Segment, Stored
from shared.embedded.data_dir import write_private
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable, Unusable
from shared.kernel.ids import new_id

BEFORE_LOG = ("CMDS", "JOBS", "SCHED", "DLQ")
AFTER_LOG = (f"KV_{BUCKET}", f"KV_{IDEMPOTENCY_BUCKET}")
LEFT_OUT = frozenset({"TOK", "COUNT", "KV_pace"})
"""What nobody misses minutes later: frames of answers, counts of attempts, pauses of crawls."""

Say = Callable[[str], None]


async def take(
    client: Client, blobs: Blobs, archive: Archive, keys: Sequence[Path], say: Say
) -> Manifest:
    """Write a backup into `archive`, or bring the one in it up to date.

    `keys` are files that come along. Raises `Unusable` if the log is not whole or the archive
    holds a backup of another one, `Unavailable` if something does not answer: what was in the
    archive before is then still there.
    """
    await asyncio.to_thread(archive.prepare)
    earlier = await asyncio.to_thread(archive.manifest)
    log = await client.jetstream().stream_info(LOG)
    identity = str(log.created)
    if earlier is not None and earlier.log != identity:
        raise Unusable(f"{archive.path} holds a backup of another log; name another folder")
    taking = _Taking(client, archive, new_id(), say)
    reactions = await streams.durables(client, LOG)
    ticks = await streams.durables(client, "SCHED")
    for stream in BEFORE_LOG:
        await taking.stream(stream, done=ticks if stream == "SCHED" else ())
    last = await taking.log(earlier)
    for stream in AFTER_LOG:
        await taking.stream(stream)
    kept = Blobs.open(archive.blobs.as_uri())
    count, fresh = await blobs.copy_all(kept)
    say(f"{count} blobs, {fresh} of them not there before")
    for file in keys:
        await asyncio.to_thread(_copy, file, archive.keys / file.name)
    manifest = Manifest(
        version=version("minirag"),
        made_at=utc_now(),
        log=identity,
        last_sequence=last,
        segments=tuple(taking.segments),
        durables=tuple(reactions),
        blobs=count,
        keys=tuple(file.name for file in keys),
    )
    await asyncio.to_thread(archive.finish, manifest)
    return manifest


class _Taking:
    """What one backup has so far."""

    def __init__(self, client: Client, archive: Archive, name: str, say: Say) -> None:
        self._client = client
        self._archive = archive
        self._name = name
        self._say = say
        self.segments: list[Segment] = []

    async def log(self, earlier: Manifest | None) -> int:
        """The log behind what an earlier backup holds; returns where it ends."""
        last = 0
        if earlier is not None:
            self.segments += earlier.of(LOG)
            last = earlier.last_sequence
        segment = await self._segment(LOG, after=last)
        return segment.last or last

    async def stream(self, stream: str, done: Sequence[Durable] = ()) -> None:
        """A whole stream but for the messages that the consumers `done` have settled."""
        await self._segment(stream, done=done)

    async def _segment(
        self, stream: str, *, after: int = 0, done: Sequence[Durable] = ()
    ) -> Segment:
        expected = after
        with self._archive.writing(stream, self._name) as writer:
            async with aclosing(streams.messages(self._client, stream, after)) as batches:
                async for batch in batches:
                    if stream == LOG:
                        _refuse_holes(batch, expected + 1)
                    expected += len(batch)
                    left = [message for message in batch if not _settled(message, done)]
                    await asyncio.to_thread(writer.write, left)
            writer.close()
        segment = writer.segment
        if segment.messages:
            self.segments.append(segment)
        self._say(f"{stream}: {segment.messages} messages")
        return segment


def _refuse_holes(batch: Sequence[Stored], first: int) -> None:
    for n, message in enumerate(batch, first):
        if message.sequence != n:
            raise Unusable(f"the log is not whole: event {n} is gone; see `minirag doctor`")


def _settled(message: Stored, durables: Sequence[Durable]) -> bool:
    """Whether somebody waited for this message, and nobody does any more."""
    settled = [
        durable.settled >= message.sequence
        for durable in durables
        if any(fnmatchcase(message.subject, one) for one in _filters(durable))
    ]
    return bool(settled) and all(settled)


def _filters(durable: Durable) -> Sequence[str]:
    config = api.ConsumerConfig.from_response(durable.config)
    return config.filter_subjects or [config.filter_subject or ""]


def _copy(file: Path, to: Path) -> None:
    try:
        write_private(to, file.read_bytes())
    except OSError as error:
        raise Unavailable(f"{file} cannot be copied: {error}") from error


assert {LOG, *BEFORE_LOG, *AFTER_LOG, *LEFT_OUT} == {stream.name for stream in STREAMS}  # noqa: S101  a stream that nobody thought of would be lost
