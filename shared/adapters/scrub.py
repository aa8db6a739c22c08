"""Old versions of rows leave the disk: they stay in pages, in logs and in statistics otherwise.

Postgres marks a deleted row only. `VACUUM` gives its place free and leaves the bytes; only a table
that is written anew holds none. The write-ahead log keeps them until its segments are removed, and
what `ANALYZE` notes of a column are values of it.
"""

import asyncio
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg
from sqlalchemy import Column, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.kernel.errors import Unavailable

log = logging.getLogger(__name__)

TABLE_SECONDS = 3600.0
LOCK_SECONDS = 20
TRIES = 100
RETRY_SECONDS = 0.2
STILL_SEEN = re.compile(r"(\d+) dead row versions cannot be removed yet")
WORDS = "words"
"""Mark in a column's `info`: it holds people's words though it stands in an index."""


async def scrub(engine: AsyncEngine, schema: str, tables: Sequence[str]) -> None:
    """Write tables anew without what was deleted, and let go of the log that held it.

    A table is locked while it is written. Raises `Unavailable` if somebody still looks at old rows
    after a while; what is done stays done.
    """
    async with engine.connect() as db:
        raw = (await db.get_raw_connection()).driver_connection
        assert raw is not None  # noqa: S101  it is open
        await raw.execute(f"set lock_timeout = '{LOCK_SECONDS}s'")
        try:
            for table in tables:
                await _write_anew(raw, f'"{schema}"."{table}"')
            await _let_go(raw)
        finally:
            await raw.execute("reset lock_timeout")


async def _write_anew(raw: Any, name: str) -> None:
    told: list[str] = []

    def hear(_connection: object, message: Any) -> None:
        told.append(f"{message.message} {message.detail}")

    raw.add_log_listener(hear)
    try:
        for _ in range(TRIES):
            told.clear()
            await raw.execute(f"vacuum (full, verbose) {name}", timeout=TABLE_SECONDS)
            if not any(int(n) for one in told for n in STILL_SEEN.findall(one)):
                return
            await asyncio.sleep(RETRY_SECONDS)
    finally:
        raw.remove_log_listener(hear)
    raise Unavailable(f"a transaction still looks at old rows of {name}")


async def _let_go(raw: Any) -> None:
    """Begin a segment and make everything before it needless. Where the role may not, segments go
    with the server's own checkpoints.
    """
    try:
        await raw.execute("select pg_switch_wal()")
        await raw.execute("checkpoint", timeout=TABLE_SECONDS)
    except asyncpg.InsufficientPrivilegeError as error:
        log.warning("the write-ahead log goes at the next checkpoint", extra={"error": str(error)})


def unsampled(tables: MetaData) -> Iterator[tuple[Table, str]]:
    """Columns of which no values may be noted: they hold words, and no query is planned by them."""
    for table in tables.sorted_tables:
        searched = {column.name for index in table.indexes for column in index.columns}
        for column in table.columns:
            if isinstance(column.type, (Text, JSONB)) and (
                column.info.get(WORDS) or not _planned(column, searched)
            ):
                yield table, column.name


def _planned(column: Column[Any], searched: set[str]) -> bool:
    return column.primary_key or column.name in searched or column.name.endswith("_id")
