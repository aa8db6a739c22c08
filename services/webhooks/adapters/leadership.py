"""Which replica dispatches: the one that holds a lock in Postgres, and how the others tell it.

The lock belongs to a connection, so it is free as soon as its holder is gone.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

from services.webhooks.ports import Alarm, Lane, Leadership
from shared.kernel.errors import Unavailable

SUBJECT = "lead.webhooks.wake"
LOCK = int.from_bytes(hashlib.sha256(b"webhooks dispatch").digest()[:8], "big", signed=True)
RETRY_SECONDS = 0.5
ANSWER_SECONDS = 5.0


class BrokerAlarm(Alarm):
    """The `Alarm` over request/reply."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @override
    async def wake(self, lane: Lane) -> None:
        name = f"{lane.tenant_id}.{lane.webhook_id}".encode()
        try:
            await self._client.request(SUBJECT, name, timeout=ANSWER_SECONDS)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("nobody dispatches webhooks right now") from error


class LockedLeadership(Leadership):
    """The `Leadership` over an advisory lock and the broker."""

    def __init__(self, engine: AsyncEngine, client: Client) -> None:
        self._engine = engine
        self._client = client

    @override
    @asynccontextmanager
    async def leading(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        async with self._engine.connect() as guard:
            await guard.execution_options(isolation_level="AUTOCOMMIT")
            try:
                while not await guard.scalar(select(func.pg_try_advisory_lock(LOCK))):  # noqa: ASYNC110  another process holds it
                    await asyncio.sleep(RETRY_SECONDS)

                async def still() -> None:
                    try:
                        await guard.execute(text("select 1"))  # no connection, no lock
                    except (DBAPIError, OSError) as error:
                        raise Unavailable("the database is away") from error

                yield still
            finally:
                # In the pool it would keep the lock, and nobody could get that again.
                await guard.invalidate()

    @override
    @asynccontextmanager
    async def hear(self, woken: Callable[[Lane], Awaitable[None]]) -> AsyncIterator[None]:
        async def on_wake(message: Msg) -> None:
            tenant_id, webhook_id = message.data.decode().split(".")
            await woken(Lane(tenant_id, webhook_id))
            await message.respond(b"")

        subscription = await self._client.subscribe(SUBJECT, cb=on_wake)
        try:
            yield
        finally:
            await subscription.unsubscribe()
