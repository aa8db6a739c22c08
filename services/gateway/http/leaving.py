"""The gateway's HTTP server, and how it leaves without losing a request.

Whoever sends requests here, a proxy or a cluster, takes a while to see that it should not. Closing
the door meanwhile would refuse them, and a connection that is closed while a request is on its way
loses it. So first notice is given, to those who look and to those who are here; and a connection is
closed by its client, or behind an answer that told of it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn
from typing_extensions import override

__all__ = ["KEEP_ALIVE_SECONDS", "Door"]

KEEP_ALIVE_SECONDS = 75
"""How long a connection waits for its next request: longer than proxies keep one, mostly a minute,
so that they close it and never send a request into its end."""
CLOSE = (b"connection", b"close")
LOOK_SECONDS = 0.05
LAST_SECONDS = 1
"""To close what is still open when the time is up."""


class Server(uvicorn.Server):
    """Leaves signals to the process, which stops all its services together."""

    servers: list[asyncio.Server]
    """What listens, once it has started."""
    _patient: bool = False
    """Connections end as their clients want them to, for as long as open answers have."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def close(self) -> None:
        """Let nobody in any more, also where it was cut short."""
        for listening in getattr(self, "servers", ()):
            listening.close()

    def give_notice(self, *, patient: bool) -> None:
        """Have every client close its connection with its next answer that has not begun.

        If `patient`, connections on which nothing goes on stay open behind the door too.
        """
        self._patient = patient
        self.config.encoded_headers.append(CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        for connection in self.server_state.connections:
            asked = getattr(connection, "cycle", None)  # nothing yet, or no HTTP
            if asked is not None and not asked.response_started:
                asked.keep_alive = False

    @override
    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self.close()
        if self._patient:
            try:
                async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                    state = self.server_state
                    while state.connections or state.tasks:  # noqa: ASYNC110  they tell nobody
                        await asyncio.sleep(LOOK_SECONDS)
            except TimeoutError:
                self.config.timeout_graceful_shutdown = LAST_SECONDS
        await super().shutdown(sockets)


class Door:
    """Where requests come in."""

    def __init__(self, config: uvicorn.Config, leaving: asyncio.Event, notice: float) -> None:
        """`leaving` is set with the order to stop, `notice` seconds before the door closes.

        Without any notice nobody else is there to take over, and nobody waits for idle clients.
        """
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
                server.give_notice(patient=self._notice > 0)
                await asyncio.sleep(self._notice)
                server.should_exit = True
                await serving
        finally:
            server.close()
