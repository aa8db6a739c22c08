"""Feeds a read model from the log: in order, exactly once, restartable anywhere.

Rows and checkpoint are one transaction, the checkpoint moves only from where it was read, and one
replica at a time holds the advisory lock: a second projector can neither repeat nor skip.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TypeVar

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from shared.adapters.beside import StoreBeside
from shared.adapters.envelope import only_tenant
from shared.adapters.event_log import EventLog
from shared.adapters.guard import Guard, Share
from shared.adapters.pull import PullEnded, ending
from shared.adapters.read_model import Overtaken, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.operations import Rebuilt
from shared.kernel import faults
from shared.kernel.errors import Unavailable, Unusable
from shared.kernel.faults import FaultPoint
from shared.telemetry import metrics, spans

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 500
AWAY = (DBAPIError, PoolTimeout, OSError, TimeoutError)
"""What a database raises that does not answer, or has no connection left for whoever asks."""
REPLAY_BATCH = 2_000
"""Events that a rebuild brings in at a time: more of them become one statement."""
RETRY_SECONDS = 0.5
POLL_SECONDS = 0.01
REST_SECONDS = 0.03
"""Before a batch, so that events which come one after another are brought in together, and whoever
waits for what was decided need not wait for this work besides. Nobody rests while somebody waits
for a position."""
QUIET_SECONDS = 0.05
"""Behind the last batch. What comes after that comes alone, and is brought in without a rest: who
changes one thing may look at once at what another service makes of it."""
LOOK_SECONDS = 2.0
"""How often a projector without events looks whether its database is still there: one that crashed
may have forgotten rows that no further event would bring in again."""


class Projector:
    """Keeps one read model up to the log."""

    def __init__(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        guard: Guard | None = None,
        give_way: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`guard` holds the lock: one for all projectors of a service, or one of its own.

        `give_way` is waited for when events are there, unless somebody waits for a position.
        """
        self.store = store
        self._guard = guard or Guard(store.engine)
        self._log = event_log
        self._position = 0
        self.pending = 0
        """Events of the log that wait to be projected, as of the last batch."""
        self._behind_since: float | None = None
        self._awaited = 0
        self._last_batch = -QUIET_SECONDS
        self._wanted = asyncio.Event()
        self._follows = False
        """Whether it is this process that projects: then nobody need ask the database how far."""
        self._moved = asyncio.Event()
        """Set, and replaced, whenever it has moved."""
        self._give_way = give_way
        self.ready = asyncio.Event()
        """Set once the model has seen what was in the log when the projector started."""

    async def prepare(self) -> None:
        """Make the tables, or rebuild them if they are of another version.

        Raises `Unusable` if the log is not the one the rows came from: it was restored or
        replaced, and going on would mix two histories.
        """
        identity = await self._log.identity()
        last = await self._log.last_sequence()
        stored = await self.store.version_and_log()
        if stored is None:
            await self.store.create(identity)
            return
        version, log_identity, position = stored
        if log_identity != identity or position > last:
            raise Unusable(
                f"read model {self.store.schema} was built from another log or a later state of "
                f"this one (it stands at {position}, the log at {last}): restore the log, or drop "
                "the schema to have it made anew from this one (embedded: remove the folders "
                "`postgres` and `index` of the data directory)"
            )
        if version != self.store.model.version:
            async with self._alone():
                stored = await self.store.version_and_log()
                if stored is None or stored[0] != self.store.model.version:
                    log.info("read model has another version: rebuilding", extra=self._about())
                    await self._rebuild()
        await self.store.secure()

    async def rebuild(self) -> Rebuilt:
        """Project the whole log into tables beside the old ones, then swap them in.

        The old tables answer until the swap. Writers wait only while the last events are caught
        up and the schemas renamed.
        """
        async with self._alone():
            return await self._rebuild()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One rebuild at a time, whichever replica was asked: all use the same tables beside."""
        key = _lock_key(f"rebuild {self.store.schema}")
        async with self.store.engine.begin() as db:
            while not await db.scalar(select(func.pg_try_advisory_xact_lock(key))):  # noqa: ASYNC110  another process holds it
                await asyncio.sleep(RETRY_SECONDS)
            yield

    async def _rebuild(self) -> Rebuilt:
        store, model = self.store, self.store.model
        beside = StoreBeside(store.engine, model)
        retired = f"{store.schema}__old"
        await beside.drop()
        await beside.create(await self._log.identity())
        started = time.perf_counter()
        count, position = await _replay(beside, self._log, 0)
        async with store.engine.begin() as db:
            await db.execute(select(func.pg_advisory_xact_lock(model.lock)))
            # Nobody writes now: what came meanwhile is brought in, and nothing can slip between.
            late, _ = await _replay(beside, self._log, position)
            await beside.keep_outcomes(db, store)
            await db.execute(text(f'drop schema if exists "{retired}" cascade'))
            await db.execute(text(f'alter schema "{store.schema}" rename to "{retired}"'))
            await db.execute(text(f'alter schema "{beside.schema}" rename to "{store.schema}"'))
            await db.execute(text(f'drop schema "{retired}" cascade'))
        return Rebuilt(events=count + late, seconds=time.perf_counter() - started)

    async def run(self) -> None:
        """Project for ever; survives broker and database restarts."""
        metrics.BEHIND.labels(self._name).set_function(self._behind)
        while True:
            try:
                async with self._guard.share() as share:
                    await self._become_the_one(share)
                    await self._follow(share)
            except (*AWAY, PullEnded, Unavailable) as error:
                if ending():
                    # The error came up while the cancellation was cleaned up after.
                    raise asyncio.CancelledError from error
                self._position = 0  # a database that crashed may have forgotten its last rows
                log.warning("projector starts again", extra={**self._about(), "error": str(error)})
            finally:
                self._follows = False
            await asyncio.sleep(RETRY_SECONDS)

    async def await_position(self, position: int, seconds: float) -> int:
        """Wait until the model shows `position`, at most `seconds`; return where it stands."""
        deadline = time.monotonic() + seconds
        self._awaited += 1
        self._wanted.set()
        try:
            while self._position < position:
                moved, pause = self._moved, LOOK_SECONDS
                if not self._follows:
                    pause = POLL_SECONDS
                    self._position = max(self._position, await self.store.position())
                    if self._position >= position:
                        break
                if (left := deadline - time.monotonic()) <= 0:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(pause, left)):
                        await moved.wait()
            return self._position
        finally:
            self._awaited -= 1

    def _stand(self, position: int) -> None:
        """Tell whoever waits for it."""
        self._position = position
        self._moved.set()
        self._moved = asyncio.Event()

    async def _become_the_one(self, share: Share) -> None:
        key = _lock_key(f"projector {self.store.schema}")
        while not await share.lock(key):
            self.ready.set()  # another replica projects; this one may serve
            self._mark(behind=False)
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, share: Share) -> None:
        self.store.settled.clear()
        position = await self.store.position()
        stored = await self.store.version_and_log()
        if stored is not None and stored[1] != await self._log.identity():
            raise Unusable(f"{self.store.schema} was built from another log than the broker has")
        if position > (last := await self._log.last_sequence()):
            raise Unusable(f"{self.store.schema} stands at {position}, the log ends at {last}")
        self._stand(position)
        self._follows = True
        subjects = self.store.model.subjects
        reader = self._log.read(
            position, subjects, batch=BATCH, idle=LOOK_SECONDS, gather=self._rest
        )
        async with aclosing(reader) as batches:
            async for batch in batches:
                self._mark(behind=bool(batch.records or batch.pending))
                if not batch.records:
                    await share.look()
                else:
                    traces = (record.metadata.traceparent for record in batch.records)
                    about = {"messaging.batch.message_count": len(batch.records)}
                    with spans.together(f"project {self._name}", traces, about):
                        moved = await self._project(share, batch.records, position)
                    if moved is None:
                        raise Unavailable("the checkpoint moved: a rebuild was swapped in")
                    position = moved
                    self._stand(position)
                    self._last_batch = time.monotonic()
                    metrics.PROJECTED.labels(self._name).inc(len(batch.records))
                metrics.POSITION.labels(self._name).set(position)
                metrics.PENDING.labels(self._name).set(batch.pending)
                self.pending = batch.pending
                self._mark(behind=bool(batch.pending))
                if batch.pending == 0:
                    self.ready.set()

    async def _project(
        self, share: Share, records: Sequence[Recorded[Event]], position: int
    ) -> int | None:
        """Bring in what is not in yet; None if the checkpoint was not at `position` any more."""
        owned = all(record.event.aggregate in self.store.model.owns for record in records)
        if not (owned and await self.store.settled.hold(records)):
            await share.look()
            return await project(self.store, records, position)
        # On the connection that has been there all the time: a database that crashed since the
        # handlers were told that their rows are in may have forgotten those.
        after = records[-1].sequence
        return after if await share.fetch(self.store.advance(position, after)) else None

    async def _rest(self) -> None:
        quiet = time.monotonic() - self._last_batch > QUIET_SECONDS
        if self._awaited or self.pending:
            return
        if not quiet:
            self._wanted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(REST_SECONDS):
                    await self._wanted.wait()
        if self._give_way is not None and not self._awaited:
            await self._give_way()

    @property
    def _name(self) -> str:
        return f"{self.store.model.service}.{self.store.model.name}"

    def _mark(self, *, behind: bool) -> None:
        if not behind:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = time.monotonic()

    def _behind(self) -> float:
        """Seconds since it last showed everything that it knew of."""
        since = self._behind_since
        return 0.0 if since is None else time.monotonic() - since

    def _about(self) -> dict[str, str]:
        return {"read_model": self.store.schema}


async def project(
    store: ReadModelStore, records: Sequence[Recorded[Event]], position: int
) -> int | None:
    """Apply one batch and move the checkpoint; None if it was not at `position` any more."""
    tenant_id, after = only_tenant(records[0].tenant_id, records), records[-1].sequence
    try:
        async with store.moving(tenant_id, position, after) as db:
            faults.passed(FaultPoint.PROJECTOR_MOVED)
            await store.apply(db, records, narrowed=tenant_id is not None)
            faults.passed(FaultPoint.PROJECTOR_ROWS)
    except Overtaken:
        return None
    store.shown(records)
    faults.passed(FaultPoint.PROJECTOR_COMMITTED)
    return after


async def _replay(store: ReadModelStore, event_log: EventLog, position: int) -> tuple[int, int]:
    """Project what lies behind `position`; return how many events that was, and where it ends."""
    count = 0
    history = event_log.history(position, store.model.subjects, batch=REPLAY_BATCH)
    async with aclosing(_read_ahead(history)) as batches:
        async for records in batches:
            async with store.engine.begin() as db:
                await store.apply(db, records)
                position = records[-1].sequence
                await db.execute(update(store.checkpoint).values(position=position))
            count += len(records)
    return count, position


async def _read_ahead(batches: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same, each read and decoded while the database works on the one before."""
    reading = asyncio.create_task(_next(batches))  # noqa: TID251  ended in `finally`
    try:
        while (batch := await reading) is not None:
            reading = asyncio.create_task(_next(batches))  # noqa: TID251  ended in `finally`
            yield batch
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await batches.aclose()


async def _next(batches: AsyncGenerator[T, None]) -> T | None:
    return await anext(batches, None)


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
