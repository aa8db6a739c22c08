"""What is appended to the log, read once for all who follow it in this process.

With a consumer for each of ten thousand followers the broker would send each event so often, and
this process decode it so often. Here one consumer reads what anybody may wish to hear of. Of
tenants that are followed it is decoded, once, and kept for a while; followers read it there, each
as fast as it can. Whoever is further behind than what is kept reads the log itself until it is not:
a slow follower costs no memory, however slow it is.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from nats.aio.msg import Msg

from shared.adapters.event_log import EventLog, sequence_of
from shared.adapters.pull import PullEnded
from shared.contracts.base import Event, Recorded
from shared.kernel.errors import Unavailable, Unusable

KEPT = 500
"""Events of a tenant."""
BATCH = 500
LINGER_SECONDS = 30.0
"""How long a tenant is read on that nobody follows: who was cut off comes back in that time."""
LOOK_SECONDS = 2.0
RETRY_SECONDS = 0.5
START_SECONDS = 5.0


@dataclass(slots=True)
class Entry:
    """An event, and what one follower made of it that is good for the others."""

    recorded: Recorded[Event]
    shown: bytes | None = None

    @property
    def sequence(self) -> int:
        return self.recorded.sequence


class Channel:
    """What happened in one tenant lately."""

    def __init__(self, since: int, kept: int) -> None:
        self.since = since
        """Whatever is behind this position of the log is kept, or still to come."""
        self.followers = 0
        self.left = 0.0
        """When the last one went."""
        self.broken: Unusable | None = None
        self._kept = kept
        self._entries: deque[Entry] = deque()
        self._news = asyncio.Event()

    def add(self, entry: Entry) -> None:
        """What was added before is passed over: a new consumer may tell it again."""
        if entry.sequence <= (self._entries[-1].sequence if self._entries else self.since):
            return
        self._entries.append(entry)
        if len(self._entries) > self._kept:
            self.since = self._entries.popleft().sequence
        self.wake()

    def wake(self) -> None:
        self._news.set()
        self._news.clear()

    def behind(self, after: int) -> list[Entry]:
        """What is kept behind position `after`, in order."""
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.sequence <= after:
                break
            found.append(entry)
        found.reverse()
        return found

    async def more(self, after: int, idle: float) -> list[Entry]:
        """As `behind`, waiting up to `idle` seconds for it. Raises `Unusable` at an event of a
        newer version.
        """
        if not (found := self.behind(after)) and self.broken is None:
            try:
                async with asyncio.timeout(idle):
                    await self._news.wait()
            except TimeoutError:
                pass
            found = self.behind(after)
        if not found and self.broken is not None:
            raise self.broken
        return found


class LogTail:
    """Reads while anybody follows. One per process."""

    def __init__(
        self,
        event_log: EventLog,
        subjects: Sequence[str],
        *,
        kept: int = KEPT,
        linger: float = LINGER_SECONDS,
    ) -> None:
        """`subjects` of the log, of all tenants, that anybody may wish to hear of."""
        self._log = event_log
        self._subjects = subjects
        self._kept = kept
        self._linger = linger
        self._channels: dict[str, Channel] = {}
        self._followers = 0
        self._left = 0.0
        self._position = 0
        """Up to here the log was read for the channels that there were."""
        self._wanted = asyncio.Event()
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                if not self._ready.is_set():
                    self._position = await self._log.last_sequence()
                    self._ready.set()
                await self._read()
            except (PullEnded, Unavailable):
                await asyncio.sleep(RETRY_SECONDS)

    @asynccontextmanager
    async def following(self, tenant_id: str) -> AsyncGenerator[Channel, None]:
        """What happens in a tenant. Raises `Unavailable` if the log does not answer."""
        self._followers += 1
        self._wanted.set()
        try:
            await self._started()
            if (channel := self._channels.get(tenant_id)) is None:
                channel = self._channels[tenant_id] = Channel(self._position, self._kept)
            channel.followers += 1
            try:
                yield channel
            finally:
                channel.followers -= 1
                channel.left = time.monotonic()
        finally:
            self._followers -= 1
            self._left = time.monotonic()

    async def _started(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._ready.wait()
        except TimeoutError as error:
            raise Unavailable("event log does not answer") from error

    async def _read(self) -> None:
        """While anybody follows."""
        reader = self._log.messages(self._position, self._subjects, batch=BATCH, idle=LOOK_SECONDS)
        async with aclosing(reader) as batches:
            async for messages, _ in batches:
                for message in messages:
                    await self._take(message)
                self._forget()
                if not self._wanted.is_set():
                    return

    async def _take(self, message: Msg) -> None:
        # Whoever begins to follow while a message is decoded begins behind it, and reads it from
        # the log; so the position moves before anything is waited for.
        before, self._position = self._position, max(self._position, sequence_of(message))
        tenant_id = message.subject.split(".")[1]
        if (channel := self._channels.get(tenant_id)) is None:
            return
        try:
            recorded = await self._log.recorded(message)
        except Unusable as error:
            channel.broken = error
            channel.wake()
            del self._channels[tenant_id]
            return
        except Unavailable:
            self._position = before
            raise
        if recorded is not None:
            channel.add(Entry(recorded))

    def _forget(self) -> None:
        """Tenants that nobody follows any more; stop where there are none."""
        now = time.monotonic()
        for tenant_id, channel in list(self._channels.items()):
            if not channel.followers and now - channel.left > self._linger:
                del self._channels[tenant_id]
        if not self._followers and now - self._left > self._linger:
            self._channels.clear()
            self._wanted.clear()
            self._ready.clear()
