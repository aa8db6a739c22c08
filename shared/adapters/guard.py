"""One connection for the locks of all read models that a process of a service projects.

A lock that lasts lives as long as its connection, and each connection is a process of the server,
with memory of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.postgres import driver_of, told_by_driver
from shared.kernel.errors import Unavailable


class _Line:
    """A connection, and whether it is still the one on which the locks were taken."""

    def __init__(self, db: AsyncConnection) -> None:
        self._db = db
        self._turn = asyncio.Lock()
        self._broken = False
        self.shares = 0

    @property
    def broken(self) -> bool:
        return self._broken or self._db.closed

    async def fetch(self, statement: str) -> Any:
        """The first value of one statement, past SQLAlchemy. After any error nobody's locks are
        trusted.
        """
        async with self._turn:
            if self.broken:
                raise Unavailable("the connection with the locks is gone")
            try:
                with told_by_driver(statement):
                    return await driver_of(self._db).fetchval(statement)
            except BaseException:
                await self._end()
                raise

    async def close(self) -> None:
        """In the pool it would keep the locks, and nobody could get those again."""
        async with self._turn:
            if not self._broken:
                await self._end()

    async def _end(self) -> None:
        self._broken = True
        await self._db.invalidate()
        await self._db.close()


class Share:
    """What one projector has of the connection."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._keys: list[int] = []

    async def lock(self, key: int) -> bool:
        """Take an advisory lock that lasts; False if another connection has it."""
        taken = bool(await self.fetch(f"select pg_try_advisory_lock({key})"))
        if taken:
            self._keys.append(key)
        return taken

    async def look(self) -> None:
        """Raise if the connection is gone: without it there is no lock."""
        await self.fetch("select 1")

    async def fetch(self, statement: str) -> Any:
        """The first value of a statement that has to go over this connection, a transaction of its
        own. Raises `DBAPIError`, or `Unavailable` if the connection is gone.
        """
        return await self._line.fetch(statement)

    async def unlock(self) -> None:
        while self._keys:
            await self.fetch(f"select pg_advisory_unlock({self._keys.pop()})")


class Guard:
    """Hands out shares of one connection, made for the first and closed after the last."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._making = asyncio.Lock()
        self._line: _Line | None = None

    @asynccontextmanager
    async def share(self) -> AsyncIterator[Share]:
        """A share; what it locks it lets go."""
        line = await self._join()
        share = Share(line)
        try:
            yield share
        finally:
            line.shares -= 1
            if line.shares == 0:
                if self._line is line:
                    self._line = None
                await line.close()
            elif not line.broken:
                await share.unlock()

    async def _join(self) -> _Line:
        async with self._making:
            if self._line is None or self._line.broken:
                db = await self._engine.connect()
                await db.execution_options(isolation_level="AUTOCOMMIT")
                self._line = _Line(db)
            self._line.shares += 1
            return self._line
