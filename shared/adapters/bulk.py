"""Many rows in one statement: they travel as one JSON array, which the server takes apart.

A statement per row costs a round through driver and server each. `copy` is faster still, and
refused by Postgres where row-level security is forced.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    Dialect,
    Table,
    TableValuedAlias,
    Update,
    UpdateBase,
    bindparam,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres import driver_of, dumps, told_by_driver

Row = Mapping[str, Any]


@cache
def many(table: Table, names: tuple[str, ...]) -> Insert:
    """A statement that inserts the rows of its parameter `parameter(table)` into these columns.

    Values are what JSON can say; timestamps come as RFC 3339. None is SQL's null, so a column that
    tells JSON's null from it cannot be filled.
    """
    given = _given(table, names)
    return insert(table).from_select(list(names), select(*(given.c[name] for name in names)))


@cache
def _changing(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Update:
    given = _given(table, (*keys, *names))
    return (
        update(table)
        .where(*(table.c[key] == given.c[key] for key in keys))
        .values({name: given.c[name] for name in names})
    )


def parameter(table: Table) -> str:
    """Under which name `many` wants the rows."""
    return f"rows_of_{table.name}"


async def insert_rows(db: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of the same columns, in order. Raises `IntegrityError` if one is there."""
    if rows:
        await bring_in(db, many(table, tuple(rows[0])), {parameter(table): rows})


async def insert_together(
    db: AsyncConnection, given: Sequence[tuple[Table, Sequence[Row]]]
) -> None:
    """As `insert_rows` of several tables, in one statement."""
    if filled := [(table, rows) for table, rows in given if rows]:
        parts = tuple((table, tuple(rows[0])) for table, rows in filled)
        await bring_in(db, _together(parts), {parameter(table): rows for table, rows in filled})


@cache
def _together(parts: tuple[tuple[Table, tuple[str, ...]], ...]) -> Insert:
    whole, *others = (many(table, names) for table, names in parts)
    for n, one in enumerate(others):
        whole = whole.add_cte(one.cte(f"part_{n}"))
    return whole


async def change_rows(
    db: AsyncConnection, table: Table, changes: Mapping[tuple[str, ...], Row]
) -> None:
    """Set the same columns of several rows, each under its primary key."""
    if not changes:
        return
    keys = tuple(str(key.name) for key in table.primary_key.columns)
    names = tuple(next(iter(changes.values())))
    rows = [{**dict(zip(keys, key, strict=True)), **row} for key, row in changes.items()]
    await bring_in(db, _changing(table, keys, names), {parameter(table): rows})


async def bring_in(
    db: AsyncConnection, statement: UpdateBase, rows: Mapping[str, Sequence[Row]]
) -> None:
    """Run a statement all of whose parameters are rows, past SQLAlchemy."""
    connection = db.sync_connection
    assert connection is not None  # noqa: S101  there is a transaction
    schemas = connection.get_execution_options().get("schema_translate_map", {})
    written, order = _written(statement, schemas.get(None), connection.dialect)
    with told_by_driver(written):
        await driver_of(db).execute(written, *(dumps(rows[name]) for name in order))


@cache
def _written(
    statement: UpdateBase, schema: str | None, dialect: Dialect
) -> tuple[str, Sequence[str]]:
    """As it goes to the server, and the names of its parameters in their order."""
    compiled: Any = statement.compile(
        dialect=dialect, schema_translate_map={None: schema}, render_schema_translate=True
    )
    return compiled.string, compiled.positiontup or ()


def _given(table: Table, names: Sequence[str]) -> TableValuedAlias:
    columns = [column(name, table.c[name].type) for name in names]
    rows = func.json_to_recordset(bindparam(parameter(table), type_=JSON))
    return rows.table_valued(*columns, name="given").render_derived(with_types=True)
