"""The gateway's HTTP server, and how it leaves without losing a request.

Whoever sends requests here, a proxy or a cluster, takes a while to see that it should not. Closing
the door meanwhile would refuse them, and a connection that is closed while a request is on its way
loses it. So first notice is given, to those who look and to those who are here.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from typing_extensions import override

__all__ = ["KEEP_ALIVE_SECONDS", "Door"]

KEEP_ALIVE_SECONDS = 75
"""How long a connection waits for its next request: longer than proxies keep one, mostly a minute,
so that they close it and never send a request into its end."""
CLOSE = (b"connection", b"close")


class Server(uvicorn.Server):
    """Leaves signals to the process, which stops all its services together."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    servers: list[asyncio.Server]
    """What listens, once it has started."""

    def close(self) -> None:
        """Let nobody in any more, also where it was cut short."""
        for listening in getattr(self, "servers", ()):
            listening.close()

    def give_notice(self) -> None:
        """Have every client close its connection with its next answer."""
        self.config.encoded_headers.append(CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]


class Door:
    """Where requests come in."""

    def __init__(self, config: uvicorn.Config, leaving: asyncio.Event, notice: float) -> None:
        """`leaving` is set with the order to stop, `notice` seconds before the door closes."""
        self._config = config
        self._leaving = leaving
        self._notice = notice

    async def serve(self, stopping: asyncio.Event) -> None:
        """Answer requests; after `stopping`, for as long as said, and then those that are open."""
        server = Server(self._config)
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(server.serve())
                await stopping.wait()
                self._leaving.set()
                server.give_notice()
                await asyncio.sleep(self._notice)
                server.should_exit = True
                await serving
        finally:
            server.close()
