"""Checks a backup, and brings it onto an empty broker.

Every event gets the sequence it had, which the broker enforces; else versions of aggregates, and
what refers to a place in the log, would mean something else. The log is another one by its
identity, so that no read model of before can pass for one of it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import nats.errors
from nats.aio.client import Client
from nats.js import api

from shared.adapters.blobs import Blobs
from shared.adapters.event_log import STREAM as LOG
from shared.adapters.topology import ensure_streams
from shared.backup.archive import Archive, Manifest, Segment, Stored
from shared.backup.taking import Say
from shared.kernel.errors import Unavailable, Unusable
from shared.kernel.registry import REGISTRY

AT_ONCE = 256
AT_ONCE_BYTES = 4_000_000
STORE_SECONDS = 30.0
SCHEDULES = frozenset({"Nats-Schedule", "Nats-Schedule-Target", "Nats-Schedule-Rollup"})
DEDUPLICATED = "Nats-Msg-Id"
T = TypeVar("T")


async def verify(archive: Archive) -> tuple[Manifest, Sequence[str]]:
    """The manifest, and what is wrong with what it lists. Raises `Unusable` without a manifest."""
    manifest = await asyncio.to_thread(archive.manifest)
    if manifest is None:
        raise Unusable(f"{archive.path} holds no backup, or one that was not finished")
    found = [
        fault
        for segment in manifest.segments
        if (fault := await asyncio.to_thread(archive.faults, segment)) is not None
    ]
    if not found:
        for segment in manifest.segments:
            found += await asyncio.to_thread(_mistold, archive, segment)
        found += _holes(manifest)
    intact, damaged = await Blobs.open(archive.blobs.as_uri()).check_all()
    found += [f"blob {name} is damaged" for name in damaged]
    if intact + len(damaged) < manifest.blobs:
        found.append(f"{manifest.blobs - intact - len(damaged)} blobs are missing")
    found += [f"the file {name} is missing" for name in manifest.keys if not _there(archive, name)]
    return manifest, found


async def restore(
    client: Client, blobs: Blobs, archive: Archive, manifest: Manifest, say: Say, *, replicas: int
) -> None:
    """Bring a verified backup onto a broker and a blob store that are empty.

    Raises `Unusable` if the log is not empty, if an event is of a type that only a newer version
    knows, or if the broker gives an event another place than it had.
    """
    await asyncio.to_thread(refuse_newer, archive, manifest)
    await ensure_streams(client, replicas=replicas)
    js = client.jetstream(timeout=STORE_SECONDS)
    if (await js.stream_info(LOG)).state.last_seq:
        raise Unusable("the log is not empty; a backup is restored onto an empty installation")
    count, _ = await Blobs.open(archive.blobs.as_uri()).copy_all(blobs)
    say(f"{count} blobs")
    for stream in dict.fromkeys(segment.stream for segment in manifest.segments):
        stored = 0
        for segment in manifest.of(stream):
            stored += await _publish(client, archive, segment)
        say(f"{stream}: {stored} messages")
    if (last := (await js.stream_info(LOG)).state.last_seq) != manifest.last_sequence:
        raise Unusable(f"the restored log ends at {last}, not at {manifest.last_sequence}")
    for durable in manifest.durables:
        config = api.ConsumerConfig.from_response(dict(durable.config)).evolve(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=durable.settled + 1,
            opt_start_time=None,
            num_replicas=None,
        )
        try:
            await js.add_consumer(LOG, config)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable(f"consumer {config.durable_name} was not made: {error!r}") from error


def refuse_newer(archive: Archive, manifest: Manifest) -> None:
    """Raises `Unusable` at the first event of a type this version does not know."""
    for segment in manifest.of(LOG):
        for message in archive.messages(segment):
            if not REGISTRY.knows(found := message.headers.get("ce-type", "")):
                raise Unusable(
                    f"event {message.sequence} of the backup is of the type {found!r}, which only "
                    f"a newer version knows; the backup was made by {manifest.version}"
                )


async def _publish(client: Client, archive: Archive, segment: Segment) -> int:
    js = client.jetstream(timeout=STORE_SECONDS)
    messages = archive.messages(segment)
    stored = 0
    while together := await asyncio.to_thread(_some, messages):
        try:
            async with asyncio.timeout(STORE_SECONDS):
                waiting = [
                    await js.publish_async(
                        message.subject,
                        message.data,
                        stream=segment.stream,
                        headers=_headers(message, segment.stream),
                    )
                    for message in together
                ]
                acknowledged = await asyncio.gather(*waiting)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable(f"{segment.stream} was not restored: {error!r}") from error
        if segment.stream == LOG:
            places = [ack.seq for ack in acknowledged]
            if places != [message.sequence for message in together]:
                raise Unusable("the broker gave an event another place in the log than it had")
        stored += len(together)
    return stored


def _some(messages: Iterator[Stored]) -> list[Stored]:
    """The next ones, so many that they fit into memory easily."""
    taken: list[Stored] = []
    size = 0
    for message in messages:
        taken.append(message)
        size += len(message.data)
        if len(taken) >= AT_ONCE or size >= AT_ONCE_BYTES:
            break
    return taken


def _headers(message: Stored, stream: str) -> dict[str, str]:
    """Without what the broker added, or was told for the first time only."""
    kept = set() if message.subject.startswith("tick.") else set(SCHEDULES)
    if stream != LOG:
        kept.add(DEDUPLICATED)
    headers = {
        name: value
        for name, value in message.headers.items()
        if not name.startswith("Nats-") or name in kept
    }
    if stream == LOG:
        headers["Nats-Expected-Last-Sequence"] = str(message.sequence - 1)
    return headers


def _mistold(archive: Archive, segment: Segment) -> list[str]:
    count = sum(1 for _ in archive.messages(segment))
    if count == segment.messages:
        return []
    return [f"{segment.file} holds {count} messages, not {segment.messages}"]


def _holes(manifest: Manifest) -> list[str]:
    """Whether the segments of the log follow each other from the first event to the last."""
    last = 0
    for segment in manifest.of(LOG):
        if segment.first != last + 1 or segment.last - last != segment.messages:
            return [f"events are missing behind {last}"]
        last = segment.last
    return [] if last == manifest.last_sequence else [f"events are missing behind {last}"]


def _there(archive: Archive, name: str) -> bool:
    return (archive.keys / Path(name).name).is_file()
