"""Tells the process that answers a turn to stop, whichever it is: over core NATS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg
from typing_extensions import override

from services.chat.ports import Stops


class StopSignals(Stops):
    """Not durable: whoever begins to listen looks into the log first."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @override
    async def tell(self, tenant_id: str, turn_id: str) -> None:
        await self._client.publish(_subject(tenant_id, turn_id))

    @override
    @asynccontextmanager
    async def heard(self, tenant_id: str, turn_id: str) -> AsyncIterator[asyncio.Event]:
        stopped = asyncio.Event()

        async def on_stop(_message: Msg) -> None:
            stopped.set()

        subscription = await self._client.subscribe(_subject(tenant_id, turn_id), cb=on_stop)
        try:
            yield stopped
        finally:
            if not self._client.is_closed:
                await subscription.unsubscribe()


def _subject(tenant_id: str, turn_id: str) -> str:
    return f"stop.{tenant_id}.{turn_id}"
