"""Connections that stay out of the pool between two uses, as long as they are in use often.

To take a connection out of SQLAlchemy's pool and to put it back is more work for this process than
a statement on it, and a write or a turn needs several.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

KEPT = 8
"""Of an engine at most, so that at least as many are left to whoever asks the pool."""
TRUSTED_SECONDS = 2.0
"""Without use, after which a kept connection is asked whether it still works."""
ASKED_SECONDS = 5.0
"""Whoever does not answer that by then is gone; a statement has a minute."""
EYES = "eyes"
EVERY_TENANT = "*"
"""The scope a connection begins with: a service writes for all tenants, and looks up credentials
before it knows whose they are. Whatever is done for one tenant is narrowed to it.
"""
EVERYONE = ("none", EVERY_TENANT)
"""The eyes of a connection that is nobody's: the role `none` is the one that logged in."""
KEPT_EYES = "minirag_keeps_eyes"
"""Option of an engine whose connections say whose eyes they need."""
CONNECTIONS = "minirag_connections"
"""Option of an engine: where its connections are kept."""


@dataclass(slots=True)
class Connected:
    """A connection that commits each statement by itself."""

    db: AsyncConnection
    driver: Any
    """The same, as asyncpg has it."""
    info: dict[Any, Any]
    """What is noted about it for as long as it lives."""
    schema: str | None = None
    """In which SQLAlchemy looks for tables."""
    left: float = field(default=0.0)

    @property
    def eyes(self) -> object:
        return self.info.get(EYES, EVERYONE)

    async def works(self) -> bool:
        """A server that ends closes its connections, and the driver knows. Only one that nobody
        used for a while is asked: a firewall may have forgotten it without a word.
        """
        if self.driver.is_closed():
            return False
        if time.monotonic() - self.left > TRUSTED_SECONDS:
            try:
                await self.driver.execute("", timeout=ASKED_SECONDS)
            except Exception:  # noqa: BLE001  whatever it is, it does not answer
                return False
        return True

    def end(self) -> None:
        """Close it at one go, without a word to the server."""
        connection = self.db.sync_connection
        if connection is not None and not connection.closed:
            if not connection.invalidated:
                connection.invalidate()
            connection.close()

    def look_in(self, schema: str) -> None:
        """Have SQLAlchemy look for tables there."""
        connection = self.db.sync_connection
        if self.schema != schema and connection is not None:
            connection.execution_options(schema_translate_map={None: schema})
            self.schema = schema


class Connections:
    """Those of an engine that are at hand; more are taken from its pool, and left to it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT", **{KEPT_EYES: True})
        self._free: list[Connected] = []
        """The one that was used last at the end: its statements are prepared."""
        event.listen(engine.sync_engine, "engine_disposed", lambda _engine: self.close(0))

    @classmethod
    def of(cls, engine: AsyncEngine) -> "Connections":
        """Where this engine's connections are kept, whatever options it has."""
        return cast("Connections", engine.get_execution_options()[CONNECTIONS])

    @property
    def unused(self) -> int:
        """How many are at hand and do nothing."""
        return len(self._free)

    @asynccontextmanager
    async def one(self, schema: str, eyes: object = None) -> AsyncIterator[Connected]:
        """One for a while, best with these eyes on. Whoever leaves with an error leaves it to the
        pool, or ends it if nobody knows what it still does.
        """
        found = await self._take(eyes)
        try:
            found.look_in(schema)
            yield found
        except Exception:
            await self._leave(found, keep=False)
            raise
        except BaseException:
            found.end()  # no time to wait for an answer
            raise
        await self._leave(found, keep=True)

    def close(self, after: float) -> None:
        """Close what has been at hand unused for so many seconds."""
        before = time.monotonic() - after
        for found in [found for found in self._free if found.left <= before]:
            self._free.remove(found)
            found.end()

    async def _take(self, eyes: object) -> Connected:
        while self._free:
            places = range(len(self._free) - 1, -1, -1)
            fit = (place for place in places if eyes in (None, self._free[place].eyes))
            found = self._free.pop(next(fit, -1))
            try:
                if await found.works():
                    return found
            except BaseException:
                found.end()
                raise
            found.end()
        db = await self._engine.connect()
        connection = db.sync_connection
        assert connection is not None  # noqa: S101  it was just opened
        fairy: Any = connection.connection
        return Connected(db, fairy.driver_connection, fairy.info)

    async def _leave(self, found: Connected, *, keep: bool) -> None:
        if found.db.closed or found.db.invalidated or found.driver.is_closed():
            found.end()
        elif keep and len(self._free) < KEPT and not self._wanted:
            found.left = time.monotonic()
            self._free.append(found)
        else:
            await found.db.close()

    @property
    def _wanted(self) -> bool:
        """Whether somebody may be waiting for one of the pool."""
        pool = self._engine.pool
        return isinstance(pool, QueuePool) and pool.checkedout() >= pool.size() + pool._max_overflow  # noqa: SLF001  told nowhere else
