"""Tells the process that answers a turn to stop, whichever it is: over core NATS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg
from typing_extensions import override

from services.chat.ports import Stops
from shared.adapters.nats_client import taken_in

STOPS = "stop.*.*"


class StopSignals(Stops):
    """Not durable: whoever begins to listen looks into the log first.

    A process hears of all stops, which are few, and turns are many: a subscription for each would
    cost every turn what hardly any needs.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._listening: dict[str, set[asyncio.Event]] = {}

    async def follow(self) -> None:
        """Hear of stops from now on. Raises what the client raises."""
        await self._client.subscribe(STOPS, cb=self._on_stop)
        await taken_in(self._client)

    @override
    async def tell(self, tenant_id: str, turn_id: str) -> None:
        await self._client.publish(_subject(tenant_id, turn_id))

    @override
    @asynccontextmanager
    async def heard(self, tenant_id: str, turn_id: str) -> AsyncIterator[asyncio.Event]:
        subject, stopped = _subject(tenant_id, turn_id), asyncio.Event()
        listening = self._listening.setdefault(subject, set())
        listening.add(stopped)
        try:
            yield stopped
        finally:
            listening.discard(stopped)
            if not listening:
                self._listening.pop(subject, None)

    async def _on_stop(self, message: Msg) -> None:
        for stopped in self._listening.get(message.subject, ()):
            stopped.set()


def _subject(tenant_id: str, turn_id: str) -> str:
    return f"stop.{tenant_id}.{turn_id}"
