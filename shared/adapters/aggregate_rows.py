"""States of owned aggregates, and what commands came to: two tables that every read model has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import MetaData, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.bulk import bring_in, parameter
from shared.adapters.envelope import tenant_of
from shared.adapters.kernel_tables import storing
from shared.adapters.postgres import driver_of, dumps, told_by_driver
from shared.contracts.base import Event, Recorded, Refusal
from shared.kernel.decider import AnyDecider

Key = tuple[str, str, str]
"""Tenant, aggregate type, aggregate id."""
ARRAYS = (
    "select * from unnest(cast(:tenants as text[]), cast(:types as text[]), cast(:ids as text[])) "
    "as given(tenant_id, aggregate, id)"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An aggregate's state, and the sequence of the event that made it."""

    state: Any
    version: int


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """What a command came to, and for whom."""

    tenant_id: str
    position: int | None
    refusal: Refusal | None


class AggregateRows:
    """The rows of one read model, in whatever connection it is given."""

    def __init__(
        self, tables: MetaData, schema: str, owns: Mapping[str, AnyDecider | None]
    ) -> None:
        self._owns = owns
        self._aggregates = tables.tables["aggregates"]
        self._outcomes = tables.tables["outcomes"]
        self._name = f'"{schema}".aggregates'
        self._looking = (
            "select told.tenant_id, told.position, told.refusal, kept.version, kept.state "  # noqa: S608  own names
            f'from (select 1) as one left join "{schema}".outcomes told on told.command_id = $1 '
            f"left join {self._name} kept "
            "on kept.tenant_id = $2 and kept.aggregate = $3 and kept.id = $4"
        )
        self._storing = storing(self._aggregates, self._outcomes)
        self._moving = (
            "with given as (select * from json_to_recordset($1) as given(tenant_id text, "  # noqa: S608  own names
            "aggregate text, id text, version bigint, state jsonb, before bigint)), "
            f"made as (insert into {self._name} (tenant_id, aggregate, id, version, state) "
            "select tenant_id, aggregate, id, version, state from given where before = 0 "
            "on conflict do nothing returning 1), "
            f"moved as (update {self._name} as kept "
            "set version = given.version, state = given.state from given "
            "where before > 0 and kept.version = before and kept.tenant_id = given.tenant_id "
            "and kept.aggregate = given.aggregate and kept.id = given.id returning 1), "
            f'ended as (insert into "{schema}".outcomes (command_id, tenant_id, position, at) '
            "select command_id, tenant_id, position, at from json_to_recordset($2) as ended"
            "(command_id text, tenant_id text, position bigint, at timestamptz) "
            "on conflict (command_id) do update set refusal = null, "
            "position = greatest(outcomes.position, excluded.position)) "
            "select (select count(*) from made) + (select count(*) from moved)"
        )

    def initial(self, aggregate: str) -> Snapshot:
        """Of an aggregate that has no row."""
        return self.read(aggregate, 0, None)

    async def outcome(self, db: AsyncConnection, command_id: str) -> StoredOutcome | None:
        """What a command came to, if it was handled before."""
        table = self._outcomes
        query = select(table).where(table.c.command_id == command_id)
        row = (await db.execute(query)).one_or_none()
        return None if row is None else _told(row.tenant_id, row.position, row.refusal)

    async def look(
        self, driver: Any, command_id: str, key: Key
    ) -> tuple[StoredOutcome | None, Snapshot]:
        """What a command came to, and its aggregate as it is. Past SQLAlchemy, by its driver."""
        tenant_id, aggregate, aggregate_id = key
        with told_by_driver(self._looking):
            row = await driver.fetchrow(
                self._looking, command_id, tenant_id, aggregate, aggregate_id
            )
        teller, position, refusal, version, state = row
        known = None if teller is None else _told(teller, position, refusal)
        return known, self.read(aggregate, version or 0, state)

    async def snapshots(
        self, db: AsyncConnection, aggregate: str, tenant_id: str, aggregate_ids: Sequence[str]
    ) -> list[Snapshot]:
        """Of several aggregates of one type; the initial state where there is no row."""
        table = self._aggregates
        query = select(table.c.id, table.c.version, table.c.state).where(
            table.c.tenant_id == tenant_id,
            table.c.aggregate == aggregate,
            table.c.id.in_(aggregate_ids),
        )
        rows = {row.id: row for row in await db.execute(query)}
        found = []
        for aggregate_id in aggregate_ids:
            row = rows.get(aggregate_id)
            found.append(
                self.initial(aggregate)
                if row is None
                else self.read(aggregate, row.version, row.state)
            )
        return found

    async def lock(
        self, db: AsyncConnection, records: Sequence[Recorded[Event]]
    ) -> dict[Key, Snapshot]:
        """Lock the rows of all aggregates concerned, making those that are missing."""
        keys = sorted({key_of(record) for record in records})
        if not keys:
            return {}
        if len(keys) == 1:
            return {keys[0]: await self._lock_one(db, keys[0])}
        arrays = {
            "tenants": [key[0] for key in keys],
            "types": [key[1] for key in keys],
            "ids": [key[2] for key in keys],
        }
        await db.execute(
            text(
                f"insert into {self._name} (tenant_id, aggregate, id, version) "  # noqa: S608  own names
                f"select tenant_id, aggregate, id, 0 from ({ARRAYS}) as given "
                "order by tenant_id, aggregate, id on conflict do nothing"
            ),
            arrays,
        )
        rows = await db.execute(
            text(
                f"select a.tenant_id, a.aggregate, a.id, a.version, a.state from {self._name} a "  # noqa: S608  our own name
                f"join ({ARRAYS}) as given using (tenant_id, aggregate, id) "
                "order by a.tenant_id, a.aggregate, a.id for update of a"
            ).columns(state=JSONB),
            arrays,
        )
        return {
            (row.tenant_id, row.aggregate, row.id): self.read(row.aggregate, row.version, row.state)
            for row in rows
        }

    async def move(
        self,
        db: AsyncConnection,
        before: Mapping[Key, Snapshot],
        records: Sequence[Recorded[Event]],
    ) -> bool:
        """Store what the events of one decision make of its aggregates, in one statement. False if
        a row is not as it was `before`: then the transaction has to be given up.
        """
        before = dict(sorted(before.items()))  # the order in which `lock` takes them
        after = dict(before)
        for record in records:
            key = key_of(record)
            after[key] = self.evolved(after[key], record)
        states = self._states(after)
        for state, past in zip(states, before.values(), strict=True):
            state["before"] = past.version
        given = (dumps(states), dumps(_ends(records)))
        with told_by_driver(self._moving):
            return bool(await driver_of(db).fetchval(self._moving, *given) == len(before))

    def evolved(self, before: Snapshot, record: Recorded[Event]) -> Snapshot:
        """The aggregate after one more event of its."""
        decider = self._owns[record.event.aggregate]
        state = None if decider is None else decider.evolve(before.state, record.event)
        return Snapshot(state, record.sequence)

    async def store(
        self,
        db: AsyncConnection,
        changed: Mapping[Key, Snapshot],
        records: Sequence[Recorded[Event]],
    ) -> None:
        """States of rows that are locked, and what the commands behind `records` came to."""
        if not changed:
            return
        given = {
            parameter(self._aggregates): self._states(changed),
            parameter(self._outcomes): _ends(records),
        }
        await bring_in(db, self._storing, given)

    def read(self, aggregate: str, version: int, state: Any) -> Snapshot:
        """What a row of `aggregates` says."""
        decider = self._owns[aggregate]
        if decider is None:
            return Snapshot(None, version)
        return Snapshot(
            decider.initial if version == 0 else decider.state.validate_python(state), version
        )

    def _states(self, changed: Mapping[Key, Snapshot]) -> list[dict[str, Any]]:
        rows = []
        for (tenant_id, aggregate, aggregate_id), kept in changed.items():
            decider = self._owns[aggregate]
            state = None if decider is None else decider.state.dump_python(kept.state, mode="json")
            rows.append(
                {
                    "tenant_id": tenant_id,
                    "aggregate": aggregate,
                    "id": aggregate_id,
                    "version": kept.version,
                    "state": state,
                }
            )
        return rows

    async def _lock_one(self, db: AsyncConnection, key: Key) -> Snapshot:
        """As `lock`, for one that most often is there."""
        table = self._aggregates
        mine = dict(zip(("tenant_id", "aggregate", "id"), key, strict=True))
        query = select(table.c.version, table.c.state).where(
            *(table.c[name] == value for name, value in mine.items())
        )
        row = (await db.execute(query.with_for_update())).one_or_none()
        if row is None:
            made = insert(table).values(**mine, version=0)
            # Where somebody else made it meanwhile, this locks and reads theirs.
            made = made.on_conflict_do_update(
                index_elements=list(mine), set_={"version": table.c.version}
            )
            row = (await db.execute(made.returning(table.c.version, table.c.state))).one()
        return self.read(key[1], row.version, row.state)


def key_of(record: Recorded[Event]) -> Key:
    """The aggregate that an event is of."""
    event = record.event
    return tenant_of(event, record.metadata), event.aggregate, event.aggregate_id


def _told(tenant_id: str, position: int | None, refusal: Any) -> StoredOutcome:
    told = None if refusal is None else Refusal.model_validate(refusal)
    return StoredOutcome(tenant_id, position, told)


def _ends(records: Sequence[Recorded[Event]]) -> list[dict[str, Any]]:
    """A command comes to the last of its events."""
    outcomes: dict[str, dict[str, Any]] = {}
    for record in records:
        outcomes[record.metadata.message_id] = {
            "command_id": record.metadata.message_id,
            "tenant_id": record.tenant_id,
            "position": record.sequence,
            "at": record.at,
        }
    return list(outcomes.values())
