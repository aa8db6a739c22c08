"""A read model: tables that only its projection writes, beside the state of the owned aggregates.

One function, `apply`, brings events into it, whoever calls: the command handler at once, the
projector from the log, a rebuild. Events of owned aggregates are let through once by the version
of the aggregate's row; other events once by the checkpoint.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from sqlalchemy import (
    MetaData,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.aggregate_rows import (
    AggregateRows,
    Key,
    Snapshot,
    StoredOutcome,
    key_of,
)
from shared.adapters.connections import EVERY_TENANT, Connected, Connections
from shared.adapters.kernel_tables import KERNEL_TABLES, add_kernel_tables
from shared.adapters.postgres import as_tenant, narrow, seeing, within, writing
from shared.adapters.scrub import scrub, unsampled
from shared.adapters.settled import Settled
from shared.contracts.base import Event, Recorded
from shared.contracts.gateway_erasure import ErasureMessage, ErasureRequested, ErasureTold
from shared.kernel.decider import AnyDecider

PERIODS = ("audit_before", "deliveries_before")
RECEIPTS = "receipts"
"""Mark in a table's `info`: it outlives a tenant, as it tells of nothing but erasures."""


class Overtaken(Exception):
    """Somebody else brought events in meanwhile."""


class Projection(Protocol):
    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        """Write what this one fact means. Facts of other kinds are passed over silently."""
        ...


@runtime_checkable
class BulkProjection(Protocol):
    """A projection that writes many facts with few statements."""

    async def apply_all(self, db: AsyncConnection, records: Sequence[Recorded[Event]]) -> None:
        """Write what these facts mean together, as if each had been applied in order."""
        ...


@dataclass(frozen=True)
class ReadModel:
    """What is kept, for which events, by which projection.

    Raise `version` whenever rows would come out otherwise: the next start rebuilds beside the old
    tables and swaps.
    """

    service: str
    name: str
    version: int
    tables: MetaData
    owns: Mapping[str, AnyDecider | None]
    """Aggregate types whose state is kept here; None for claims, which have no state."""
    projection: Projection
    listens: Sequence[tuple[str, str]] = ()
    """Events of other services' aggregates, as pairs of aggregate type and event name."""
    erased: Sequence[str] = ()
    """Kinds of erasures that take rows of this model, whose old versions must leave the disk; of
    what has become too old, the field that says since when."""

    def __post_init__(self) -> None:
        add_kernel_tables(self.tables)

    @property
    def schema(self) -> str:
        return f"{self.service}_{self.name}"

    @property
    def subjects(self) -> list[str]:
        owned = [f"evt.*.{aggregate}.*.*" for aggregate in self.owns]
        heard = [*self.listens]
        if ErasureTold.aggregate not in self.owns:
            # So that it can tell when it shows one, and every model that of a whole tenant.
            told = (ErasureRequested, ErasureTold) if self.erased else (ErasureTold,)
            heard += [(event.aggregate, event.name) for event in told]
        return owned + [f"evt.*.{aggregate}.*.{name}" for aggregate, name in dict.fromkeys(heard)]

    @property
    def lock(self) -> int:
        """Key of the advisory lock that keeps a swap and writers apart."""
        digest = hashlib.sha256(f"read model {self.schema}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


class ReadModelStore:
    """A read model in Postgres, in the schema `<service>_<name>` or one beside it."""

    def __init__(self, engine: AsyncEngine, model: ReadModel, schema: str | None = None) -> None:
        self.model = model
        self.schema = schema or model.schema
        self.engine = engine.execution_options(schema_translate_map={None: self.schema})
        self._connections = Connections.of(engine)
        self.reader_role = f"minirag_{model.service}_reader"
        tables = model.tables.tables
        self._aggregates = tables["aggregates"]
        self._outcomes = tables["outcomes"]
        self.checkpoint = tables["checkpoint"]
        self.rows = AggregateRows(model.tables, self.schema, model.owns)
        self.when_shown: list[Callable[[Sequence[Recorded[Event]]], None]] = []
        """Told of events once the rows that this process wrote show them."""
        self.settled = Settled()

    @asynccontextmanager
    async def reading(self, tenant_id: str) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one tenant and can write nothing.

        Each statement sees what is committed when it begins, as in a transaction of Postgres.
        """
        async with as_tenant(self._connections, self.schema, self.reader_role, tenant_id) as db:
            yield db

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Connected]:
        """A connection that sees every tenant, for single statements."""
        async with seeing(self._connections, self.schema) as found:
            yield found

    @asynccontextmanager
    async def writing(self, tenant_id: str | None = None) -> AsyncIterator[AsyncConnection]:
        """A transaction of the projection, for one tenant or for all; a swap waits for it, and it
        for a swap.
        """
        whose, lock = tenant_id or EVERY_TENANT, self.model.lock
        async with writing(self._connections, self.schema, whose, lock) as db:
            yield db

    @asynccontextmanager
    async def moving(
        self, tenant_id: str | None, before: int, after: int
    ) -> AsyncIterator[AsyncConnection]:
        """As `writing`, beginning by moving the checkpoint. Raises `Overtaken` if another projector
        did that.
        """
        move = self.advance(before, after)
        whose = tenant_id or EVERY_TENANT
        async with (
            self._connections.one(self.schema) as found,
            within(found.db, whose, self.model.lock, move) as said,
        ):
            if said != "UPDATE 1":
                raise Overtaken
            yield found.db

    def shown(self, records: Sequence[Recorded[Event]]) -> None:
        """The transaction that brought these in is committed."""
        for tell in self.when_shown:
            tell(records)

    async def snapshot(self, aggregate: str, tenant_id: str, aggregate_id: str) -> Snapshot:
        """State and version of an owned aggregate; the initial state at version 0 if it is new."""
        return (await self.snapshots(aggregate, tenant_id, [aggregate_id]))[0]

    async def snapshots(
        self, aggregate: str, tenant_id: str, aggregate_ids: Sequence[str]
    ) -> list[Snapshot]:
        """As `snapshot`, for several aggregates of one type."""
        async with self.looking() as found:
            return await self.rows.snapshots(found.db, aggregate, tenant_id, aggregate_ids)

    async def outcome(self, command_id: str) -> StoredOutcome | None:
        """What a command came to, if it was handled before."""
        async with self.looking() as found:
            return await self.rows.outcome(found.db, command_id)

    async def look(
        self, command_id: str, aggregate: str, tenant_id: str, aggregate_id: str
    ) -> tuple[StoredOutcome | None, Snapshot]:
        """`outcome` and `snapshot` at one go."""
        key = (tenant_id, aggregate, aggregate_id)
        async with self.looking() as found:
            return await self.rows.look(found.driver, command_id, key)

    async def record_outcome(
        self,
        db: AsyncConnection,
        command_id: str,
        at: datetime,
        outcome: StoredOutcome,
    ) -> None:
        """Remember what a command came to, in the transaction that shows its effect."""
        refusal = outcome.refusal.model_dump() if outcome.refusal else None
        row = {
            "command_id": command_id,
            "tenant_id": outcome.tenant_id,
            "position": outcome.position,
            "refusal": refusal,
            "at": at,
        }
        await db.execute(insert(self._outcomes).values(row).on_conflict_do_nothing())

    async def apply(
        self, db: AsyncConnection, records: Sequence[Recorded[Event]], *, narrowed: bool = False
    ) -> None:
        """Bring events in, each exactly once however often it is offered, in log order. The
        transaction may be `narrowed` to their one tenant from its beginning.

        At the erasure of a tenant go all rows of the tenant, and what was told before is not
        brought in any more.
        """
        ended = {r.tenant_id: r.sequence for r in records if of_whole_tenant(r.event)}
        for tenant_id in ended:
            await self.forget(db, tenant_id)
        if ended:
            records = [
                r for r in records if r.sequence >= ended.get(r.tenant_id, 0) or self._kept(r)
            ]
        owns = self.model.owns
        owned = [r for r in records if r.event.aggregate in owns]
        kept = await self._lock_aggregates(db, owned)
        fresh: dict[str, list[Recorded[Event]]] = {}
        decided: list[Recorded[Event]] = []
        changed: dict[Key, Snapshot] = {}
        for record in records:
            event = record.event
            if event.aggregate in owns:
                key = key_of(record)
                before = kept[key]
                if record.sequence <= before.version:
                    continue
                kept[key] = changed[key] = self.rows.evolved(before, record)
                decided.append(record)
            fresh.setdefault(record.tenant_id, []).append(record)
        await self._store(db, changed, decided)
        await self._project(db, fresh, narrowed=narrowed)

    async def apply_decision(
        self,
        db: AsyncConnection,
        records: Sequence[Recorded[Event]],
        before: Mapping[Key, Snapshot],
        *,
        narrowed: bool,
    ) -> None:
        """As `apply`, for the events of one decision about aggregates as they were `before`.

        Raises `Overtaken` if somebody else has brought in some of it: then `apply` knows what.
        """
        if not await self.rows.move(db, before, records):
            raise Overtaken
        fresh: dict[str, list[Recorded[Event]]] = {}
        for record in records:
            fresh.setdefault(record.tenant_id, []).append(record)
        await self._project(db, fresh, narrowed=narrowed)

    async def _project(
        self,
        db: AsyncConnection,
        fresh: Mapping[str, Sequence[Recorded[Event]]],
        *,
        narrowed: bool,
    ) -> None:
        """Bring in what is not in yet, by tenant. Rows of one never depend on another's, so each is
        brought in for itself; a projection that mixes tenants up is stopped by the database.
        """
        projection = self.model.projection
        for tenant_id in sorted(fresh):
            if not narrowed:
                await narrow(db, tenant_id)
            if isinstance(projection, BulkProjection):
                await projection.apply_all(db, fresh[tenant_id])
                continue
            for record in fresh[tenant_id]:
                await projection.apply(db, record)

    def _kept(self, record: Recorded[Event]) -> bool:
        """Whether it is part of a receipt here, so that it outlives its tenant."""
        event = record.event
        return event.aggregate == ErasureMessage.aggregate and event.aggregate in self.model.owns

    async def forget(self, db: AsyncConnection, tenant_id: str) -> None:
        """Delete every row of a tenant but receipts of erasures."""
        for table in self.model.tables.sorted_tables:
            if "tenant_id" not in table.c or RECEIPTS in table.info:
                continue
            rows = delete(table).where(table.c.tenant_id == tenant_id)
            if table is self._aggregates:
                rows = rows.where(table.c.aggregate != ErasureMessage.aggregate)
            await db.execute(rows)

    async def position(self) -> int:
        """The sequence up to which the projector has brought everything in."""
        async with self.looking() as found:
            return int(await found.db.scalar(select(self.checkpoint.c.position)) or 0)

    def advance(self, before: int, after: int) -> str:
        """A statement that moves the checkpoint, and returns nothing if another projector moved it
        meanwhile.
        """
        return (
            f'update "{self.schema}".checkpoint set position = {after} '  # noqa: S608  our own name, and numbers
            f"where position = {before} returning position"
        )

    async def version_and_log(self) -> tuple[int, str, int] | None:
        """Version, log identity and position of what is stored; None if nothing is."""
        async with self.engine.connect() as db:
            exists = await db.scalar(
                text("select to_regclass(:name)"), {"name": f'"{self.schema}".checkpoint'}
            )
            if exists is None:
                return None
            table = self.checkpoint
            row = (await db.execute(select(table))).one_or_none()
            return None if row is None else (row.version, row.log_identity, row.position)

    async def create(self, log_identity: str) -> None:
        """Make schema, tables, row-level security and an empty checkpoint. Safe to repeat."""
        reader = f'"{self.reader_role}"'
        async with self.engine.begin() as db:
            await db.execute(select(func.pg_advisory_xact_lock(self.model.lock)))
            # Not `if not exists`: it can miss what was made while we waited for the lock.
            named = text("select 1 from pg_namespace where nspname = :name")
            if await db.scalar(named, {"name": self.schema}) is None:
                await db.execute(text(f'create schema "{self.schema}"'))
            await db.run_sync(self.model.tables.create_all)
            for table, column in unsampled(self.model.tables):
                name = f'"{self.schema}"."{table.name}"'
                await db.execute(
                    text(f'alter table {name} alter column "{column}" set statistics 0')
                )
            await db.execute(text(f'grant usage on schema "{self.schema}" to {reader}'))
            for table in self.model.tables.sorted_tables:
                name = f'"{self.schema}"."{table.name}"'
                if table.name not in KERNEL_TABLES:
                    await db.execute(text(f"grant select on {name} to {reader}"))
                if "tenant_id" in table.c:
                    await self._secure(db, name)
            row = {
                "only_row": 1,
                "version": self.model.version,
                "log_identity": log_identity,
                "position": 0,
            }
            await db.execute(insert(self.checkpoint).values(row).on_conflict_do_nothing())

    async def scrub(self) -> None:
        """Take what was deleted from the disk too. Raises as `shared.adapters.scrub.scrub`."""
        await scrub(self.engine, self.schema, [one.name for one in self.model.tables.sorted_tables])

    async def secure(self) -> None:
        """Bring row-level security to tables that an earlier version made without."""
        query = text(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' "
            "where n.nspname = :schema and c.relkind = 'r' and not c.relforcerowsecurity"
        )
        async with self.engine.begin() as db:
            for table in (await db.scalars(query, {"schema": self.schema})).all():
                await self._secure(db, f'"{self.schema}"."{table}"')

    async def drop(self) -> None:
        async with self.engine.begin() as db:
            await db.execute(text(f'drop schema if exists "{self.schema}" cascade'))

    async def _secure(self, db: AsyncConnection, table: str) -> None:
        """Row-level security, for the table's owner too: readers see one tenant, and the service
        what its transaction is narrowed to.
        """
        reader, writer = f'"{self.reader_role}"', f'"minirag_{self.model.service}"'
        own = "tenant_id = current_setting('app.tenant_id')"
        every = f"current_setting('app.tenant_id') = '{EVERY_TENANT}'"
        rule = f"using ({own} or {every}) with check ({own} or {every})"
        statements = (
            f"alter table {table} enable row level security",
            f"alter table {table} force row level security",
            f"drop policy if exists tenant_read on {table}",
            f"create policy tenant_read on {table} for select to {reader} using ({own})",
            f"drop policy if exists tenant_write on {table}",
            f"create policy tenant_write on {table} for all to {writer} {rule}",
        )
        for statement in statements:
            await db.execute(text(statement))

    async def _lock_aggregates(
        self, db: AsyncConnection, records: Sequence[Recorded[Event]]
    ) -> dict[Key, Snapshot]:
        """Lock the rows of all aggregates concerned, making those that are missing."""
        return await self.rows.lock(db, records)

    async def _store(
        self,
        db: AsyncConnection,
        changed: Mapping[Key, Snapshot],
        records: Sequence[Recorded[Event]],
    ) -> None:
        """States of owned aggregates, and what the commands behind `records` came to."""
        await self.rows.store(db, changed, records)


def of_whole_tenant(event: Event) -> bool:
    """Whether a tenant is gone with this fact."""
    return (
        event.aggregate == ErasureTold.aggregate  # asked of every event; the rest costs more
        and isinstance(event, ErasureTold)
        and event.kind == "tenant"
    )


def takes_rows(event: ErasureTold, model: ReadModel) -> bool:
    """Whether the erasure takes rows of this model."""
    kinds = {event.kind, *(name for name in PERIODS if getattr(event, name) is not None)}
    return event.kind == "tenant" or bool(kinds & {*model.erased})
