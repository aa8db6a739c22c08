"""A read model that is made anew: nobody else writes it, so nothing in it has to be locked.

Rows of new aggregates are not made before their states are known, and a state that was written a
moment ago is not read back. See ADR 0086.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from shared.adapters.aggregate_rows import Key, Snapshot, key_of
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.gateway_erasure import ErasureMessage

REMEMBERED = 10_000
"""States of aggregates that are kept in memory, those which were changed last. A log tells of an
aggregate several times in a row more often than not."""


class StoreBeside(ReadModelStore):
    """The tables that a rebuild fills. After an error they are good for nothing more."""

    def __init__(
        self, engine: AsyncEngine, model: ReadModel, *, remembered: int = REMEMBERED
    ) -> None:
        super().__init__(engine, model, schema=f"{model.schema}__next")
        self._remembered = remembered
        self._states: OrderedDict[Key, Snapshot] = OrderedDict()

    async def keep_outcomes(self, db: AsyncConnection, before: ReadModelStore) -> None:
        """Take over what commands came to that left no event, as refusals do.

        Not from rows of another log: there they may have come to something else.
        """
        columns = ", ".join(f'"{column.name}"' for column in self._outcomes.columns)
        await db.execute(
            text(
                f'insert into "{self.schema}".outcomes ({columns}) '  # noqa: S608  our own names
                f'select {columns} from "{before.schema}".outcomes '
                f'where (select log_identity from "{self.schema}".checkpoint) '
                f'= (select log_identity from "{before.schema}".checkpoint) '
                "on conflict do nothing"
            )
        )

    @override
    async def forget(self, db: AsyncConnection, tenant_id: str) -> None:
        await super().forget(db, tenant_id)
        for key in [key for key in self._states if key[0] == tenant_id]:
            if key[1] != ErasureMessage.aggregate:
                del self._states[key]

    @override
    async def _lock_aggregates(
        self, db: AsyncConnection, records: Sequence[Recorded[Event]]
    ) -> dict[Key, Snapshot]:
        keys = {key_of(record) for record in records}
        found = {key: self._states[key] for key in keys if key in self._states}
        if asked := [key for key in keys if key not in found]:
            found |= {key: self.rows.read(key[1], 0, None) for key in asked}
            found |= await self._stored(db, asked)
        return found

    @override
    async def _store(
        self,
        db: AsyncConnection,
        changed: Mapping[Key, Snapshot],
        records: Sequence[Recorded[Event]],
    ) -> None:
        await super()._store(db, changed, records)
        for key, state in changed.items():
            self._states[key] = state
            self._states.move_to_end(key)
        while len(self._states) > self._remembered:
            self._states.popitem(last=False)

    async def _stored(self, db: AsyncConnection, keys: Sequence[Key]) -> dict[Key, Snapshot]:
        rows = await db.execute(
            text(
                "select a.tenant_id, a.aggregate, a.id, a.version, a.state "  # noqa: S608  our own name
                "from unnest(cast(:tenants as text[]), cast(:types as text[]), "
                "cast(:ids as text[])) as given(tenant_id, aggregate, id) "
                f'join "{self.schema}".aggregates a using (tenant_id, aggregate, id)'
            ).columns(state=JSONB),
            dict(zip(("tenants", "types", "ids"), zip(*keys, strict=True), strict=True)),
        )
        return {
            (row.tenant_id, row.aggregate, row.id): self.rows.read(
                row.aggregate, row.version, row.state
            )
            for row in rows
        }
