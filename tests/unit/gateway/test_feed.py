"""What a follower of a tenant's events hears, between the log and what is kept of it in memory."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

from services.gateway.http.feed import Wish, follow
from shared.adapters.event_log import EventLog
from shared.adapters.log_tail import Channel, Entry, LogTail
from shared.contracts.base import Event, Metadata, Recorded
from shared.contracts.ingest import SourceDeleted

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL = Wish(None, None, None, None, None)


def happened(sequence: int) -> Recorded[Event]:
    event = SourceDeleted(source_id=f"s{sequence}", bot_profile_id="b1")
    metadata = Metadata(
        tenant_id="t1",
        message_id=f"m{sequence}",
        correlation_id="c1",
        actor="user u1",
        now=NOW + timedelta(seconds=sequence),
    )
    return Recorded(event, metadata, f"e{sequence}", sequence)


class Happening:
    """A log, and a channel that keeps the last two of its events."""

    def __init__(self, *, told: int = 0, kept_from: int = 0) -> None:
        """So many events that the log holds at the beginning; the channel those behind one."""
        self.records = [happened(n) for n in range(1, told + 1)]
        self.channel = Channel(kept_from, kept=2)
        self.read: list[int] = []
        """Positions behind which the log was read."""
        for record in self.records[kept_from:]:
            self.channel.add(Entry(record))

    def happens(self, count: int = 1) -> None:
        for _ in range(count):
            self.records.append(happened(len(self.records) + 1))
            self.channel.add(Entry(self.records[-1]))

    async def history(
        self, after: int, _subjects: Sequence[str], *, batch: int, since: datetime | None
    ) -> AsyncGenerator[Sequence[Recorded[Event]], None]:
        self.read.append(after)
        found = [one for one in self.records if one.sequence > after]
        if since is not None:
            found = [one for one in self.records if one.at >= since]
        for first in range(0, len(found), batch):
            yield found[first : first + batch]

    @asynccontextmanager
    async def following(self, _tenant_id: str) -> AsyncGenerator[Channel, None]:
        yield self.channel

    def follow(
        self, after: int, wish: Wish = ALL, idle: float = 0
    ) -> AsyncGenerator[Entry | None, None]:
        return follow(cast("EventLog", self), cast("LogTail", self), "t1", wish, after, idle)


async def some(told: AsyncGenerator[Entry | None, None], count: int) -> list[int]:
    """Sequences of the next events; 0 for nothing."""
    found = []
    for _ in range(count):
        entry = await anext(told)
        found.append(0 if entry is None else entry.sequence)
    return found


async def test_what_is_kept_is_told_without_the_log() -> None:
    it = Happening(told=4, kept_from=2)
    assert await some(it.follow(2), 3) == [3, 4, 0]
    assert it.read == []


async def test_whoever_comes_back_from_further_reads_the_log_and_then_what_comes() -> None:
    it = Happening(told=6, kept_from=4)
    told = it.follow(1)
    assert await some(told, 6) == [2, 3, 4, 5, 6, 0]
    it.happens()
    assert await some(told, 2) == [7, 0]
    assert it.read == [1]


async def test_whoever_is_too_slow_for_what_is_kept_reads_the_log_again() -> None:
    it = Happening()
    told = it.follow(0)
    it.happens(2)
    assert await some(told, 2) == [1, 2]
    it.happens(5)
    assert await some(told, 6) == [3, 4, 5, 6, 7, 0]
    assert it.read == [2]


async def test_only_what_is_wanted_is_told_and_nothing_is_read_for_the_rest() -> None:
    it = Happening()
    told = it.follow(0, Wish(None, "source", "s3", None, None))
    heard = []
    for _ in range(5):
        it.happens()
        heard += await some(told, 1)
    assert heard == [0, 0, 3, 0, 0]  # a sign of life for what is not for it
    assert it.read == []


async def test_a_time_to_begin_at_is_found_in_the_log() -> None:
    it = Happening(told=6, kept_from=4)
    since = Wish(None, None, None, NOW + timedelta(seconds=3), None)
    heard = await some(it.follow(0, since), 6)
    assert [sequence for sequence in heard if sequence] == [3, 4, 5, 6]


async def test_a_time_that_is_past_is_read_to_the_end_of_the_log() -> None:
    it = Happening(told=6, kept_from=6)
    it.records.append(happened(7))  # the channel has not heard of it yet
    until = Wish(None, None, None, None, NOW + timedelta(hours=1))
    assert [one.sequence async for one in it.follow(2, until) if one] == [3, 4, 5, 6, 7]
