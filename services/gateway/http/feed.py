"""A tenant's public events, straight from the log: there is no second copy to keep in step."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from shared.adapters.event_log import EventLog
from shared.adapters.log_tail import Channel, Entry, LogTail
from shared.adapters.pull import PullEnded
from shared.contracts.base import Event, Recorded
from shared.contracts.public import events_behind, public_event
from shared.kernel.clock import utc_now
from shared.kernel.errors import InvalidCommand, Unavailable
from shared.kernel.ids import TOKEN

SKEW = timedelta(minutes=1)
"""Between the clocks of a gateway and the broker."""
LATE = timedelta(days=7)
"""A command waits so long for its owner at most, and its events tell when it was given."""
BATCH = 100
RETRY_SECONDS = 0.5
PATIENCE = 60
"""Tries at a log that does not answer, before a stream is given up."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events are wanted."""

    types: tuple[str, ...] | None
    """None: all."""
    aggregate: str | None
    aggregate_id: str | None
    since: datetime | None
    until: datetime | None

    def subjects(self, tenant_id: str) -> Sequence[str]:
        """Where the wanted events stand in the log. Raises `InvalidCommand` if nowhere."""
        ident = self.aggregate_id or "*"
        if self.aggregate_id is not None and not TOKEN.fullmatch(self.aggregate_id):
            raise InvalidCommand("There is no such id", field="aggregate_id")
        found = [
            f"evt.{tenant_id}.{event.aggregate}.{ident}.{event.name}"
            for event in events_behind(self.types)
            if self.aggregate in (None, event.aggregate)
        ]
        if not found:
            raise InvalidCommand("No public event is of this type and aggregate", field="type")
        return found

    def fits(self, recorded: Recorded[Event]) -> bool:
        """Whether it happened within the wanted time."""
        return (self.since is None or recorded.at >= self.since) and (
            self.until is None or recorded.at < self.until
        )

    def is_about(self, event: Event) -> bool:
        """Whether it is of a wanted type and aggregate."""
        return (
            self.aggregate in (None, event.aggregate)
            and self.aggregate_id in (None, event.aggregate_id)
            and type(event) in _behind(self.types)
        )

    def starts(self, after: int) -> datetime | None:
        """When to begin to read, if not behind a position."""
        return None if after or self.since is None else self.since - SKEW

    def is_over(self, recorded: Recorded[Event]) -> bool:
        """Whether nothing wanted can stand behind it in the log."""
        return self.until is not None and recorded.at > self.until + LATE

    def is_past(self) -> bool:
        """Whether nothing wanted happens from now on."""
        return self.until is not None and utc_now() >= self.until


async def page(
    log: EventLog, tenant_id: str, wish: Wish, after: int, limit: int
) -> tuple[list[Recorded[Event]], bool]:
    """At most `limit` events behind position `after`, oldest first, and whether there are more."""
    found: list[Recorded[Event]] = []
    history = log.history(after, wish.subjects(tenant_id), batch=BATCH, since=wish.starts(after))
    try:
        async with aclosing(history) as batches:
            async for batch in batches:
                found += [one for one in batch if _wanted(one, wish)]
                if len(found) > limit:
                    return found[:limit], True
                if wish.is_over(batch[-1]):
                    break
    except PullEnded as error:
        raise Unavailable("event log does not answer") from error
    return found, False


async def follow(
    log: EventLog, tail: LogTail, tenant_id: str, wish: Wish, after: int, idle: float
) -> AsyncGenerator[Entry | None, None]:
    """Events behind position `after`, then what comes, until the wanted time is past; None when
    nothing came for `idle` seconds.

    Survives a restart of the broker. Raises `Unavailable` if it stays away.
    """
    since = wish.starts(after)
    tries, told_at = 0, time.monotonic()
    while True:
        try:
            async with (
                tail.following(tenant_id) as channel,
                aclosing(_told(log, channel, tenant_id, wish, after, since, idle)) as told,
            ):
                async for entry in told:
                    tries = 0
                    if entry is not None:
                        after, since = entry.sequence, None
                        if not wish.is_about(entry.recorded.event) or not wish.fits(entry.recorded):
                            if time.monotonic() - told_at < idle:
                                continue
                            entry = None  # noqa: PLW2901  for whom it is not, nothing happened
                    told_at = time.monotonic()
                    yield entry
                return
        except (PullEnded, Unavailable):
            tries += 1
            if tries > PATIENCE:
                raise Unavailable("event log does not answer") from None
            yield None
            await asyncio.sleep(RETRY_SECONDS)


async def _told(
    log: EventLog,
    channel: Channel,
    tenant_id: str,
    wish: Wish,
    after: int,
    since: datetime | None,
    idle: float,
) -> AsyncGenerator[Entry | None, None]:
    """From the log what is not in the channel any more, from there what comes.

    Of the channel everything, also what is not wanted: whoever goes on goes on behind it. Whoever
    is too slow for the channel finds itself behind it, and reads the log again.
    """
    while True:
        past = wish.is_past()
        if not past and since is None and after >= channel.since:
            entries = await channel.more(after, idle)
            for entry in entries:
                after = entry.sequence
                yield entry
            if not entries:
                yield None
            continue
        joint = channel.since
        history = log.history(after, wish.subjects(tenant_id), batch=BATCH, since=since)
        async with aclosing(history) as batches:
            async for batch in batches:
                for recorded in batch:
                    if past or recorded.sequence <= joint:
                        yield Entry(recorded)
                if wish.is_over(batch[-1]) or not (past or batch[-1].sequence <= joint):
                    break
        if past:
            return
        after, since = max(after, joint), None


@lru_cache(maxsize=1024)
def _behind(types: tuple[str, ...] | None) -> frozenset[type[Event]]:
    return frozenset(events_behind(types))


def _wanted(recorded: Recorded[Event], wish: Wish) -> bool:
    return wish.fits(recorded) and public_event(recorded.event) is not None
