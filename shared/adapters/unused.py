"""Connections that nobody used for a while are closed: each is a process of the server."""

import asyncio
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.connections import Connections

UNUSED_SECONDS = 30.0
LOOK_SECONDS = 5.0


class Unused:
    """Those of an engine. To make one anew costs the first after a rest some milliseconds."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._since: dict[Any, float] = {}
        self._at_hand = Connections.of(engine)
        event.listen(engine.sync_engine, "checkin", self._left)
        event.listen(engine.sync_engine, "checkout", self._taken)

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.close(UNUSED_SECONDS)

    def close(self, after: float) -> None:
        """Close what has been unused for so many seconds.

        At one go, without a word to the server, so that none can be taken while it is closed: the
        pool makes a new one where it finds none.
        """
        self._at_hand.close(after)
        before = time.monotonic() - after
        for record in [record for record, since in self._since.items() if since <= before]:
            del self._since[record]
            record.invalidate()

    def _left(self, connection: Any, record: Any) -> None:
        if connection is not None:  # else it was closed already
            self._since[record] = time.monotonic()

    def _taken(self, _connection: Any, record: Any, _proxy: Any) -> None:
        self._since.pop(record, None)
