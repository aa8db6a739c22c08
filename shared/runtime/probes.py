"""The port of a process for those who watch it: orchestrators and Prometheus.

Served by a thread, so that a scrape is answered and liveness can be told while the event loop
stands still.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import CancelledError, TimeoutError as TookTooLong
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import REGISTRY, make_wsgi_app
from typing_extensions import override

from shared.kernel.errors import Unusable
from shared.runtime.service import Service
from shared.telemetry import metrics
from shared.telemetry.scrape import on_scrape, refresh

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
TICK_SECONDS = 1.0
STALLED_SECONDS = 5.0
"""An event loop that has not turned for so long is not alive."""
LOOK_SECONDS = 5.0
POLL_SECONDS = 0.1
"""How soon the thread hears that it is to end."""
IDLE_SECONDS = 10.0
"""A client that says nothing for so long is cut off."""

T = TypeVar("T")


class Probes:
    """What the paths answer. Called in threads that are not the event loop's."""

    def __init__(self, expected: int, services: Sequence[Service], stopping: asyncio.Event) -> None:
        """`services` grows up to `expected` ones while the process starts."""
        self._expected = expected
        self._stopping = stopping
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._turned = time.monotonic()
        self._metrics: WSGIApplication = make_wsgi_app(REGISTRY)

    async def tick(self) -> None:
        """Show for ever that the event loop turns, and measure how late it does."""
        while True:
            asked = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            self._turned = time.monotonic()
            metrics.LOOP_LAG_SECONDS.observe(max(self._turned - asked - TICK_SECONDS, 0.0))

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                self._told(refresh, None)
                return self._metrics(environ, start_response)
            case "/livez":
                return _answer(start_response, well=self._alive)
            case "/readyz":
                takes = self._started and not self._stopping.is_set()
                return _answer(start_response, well=takes and self._told(self._well, False))
            case "/startupz":
                return _answer(start_response, well=self._started)
            case _:
                return _answer(start_response, well=False, status=HTTPStatus.NOT_FOUND)

    @property
    def _alive(self) -> bool:
        return time.monotonic() - self._turned < STALLED_SECONDS

    @property
    def _started(self) -> bool:
        running = [service for service in self._services if service.ready.is_set()]
        return len(running) == self._expected

    async def _well(self) -> bool:
        found = await asyncio.gather(*(service.health() for service in self._services))
        return all(health.status == "ok" for health in found)

    def _told(self, ask: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """What the event loop answers, or `otherwise` if it does not in time."""

        async def asked() -> T:
            return await ask()

        future = asyncio.run_coroutine_threadsafe(asked(), self._loop)
        try:
            return future.result(LOOK_SECONDS)
        except (TookTooLong, CancelledError):
            future.cancel()
            return otherwise
        except Exception as error:  # noqa: BLE001  whatever it is, a probe must be answered
            log.warning("a probe could not be answered", extra={"error": repr(error)})
            return otherwise


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    @override
    def server_bind(self) -> None:
        """Without the look-up of this host's name, which may take seconds where nobody knows it."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), port
        self.setup_environ()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or said nothing, is nothing to tell."""
        log.debug("probe not answered", extra={"address": str(client_address)})


class _V6Server(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = IDLE_SECONDS

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """A probe a second is nothing to tell."""

    @override
    def get_stderr(self) -> Any:
        return _Silent()


class _Silent:
    """Where the WSGI server writes tracebacks of clients that went away."""

    def write(self, text: str) -> None:
        log.debug("probe not answered", extra={"error": text})

    def flush(self) -> None:
        """Nothing is kept back."""


async def serve(
    host: str | None,
    port: int,
    expected: int,
    services: Sequence[Service],
    stopping: asyncio.Event,
) -> None:
    """Answer probes for ever. Raises `Unusable` if the port cannot be listened on."""
    host = host or LOOPBACK
    probes = Probes(expected, services, stopping)
    try:
        server = _listening(host, port, probes)
    except OSError as error:
        raise Unusable(
            f"MINIRAG_PROBE_PORT: cannot listen on {host} port {port}: {error}"
        ) from error
    serving = Thread(target=server.serve_forever, args=(POLL_SECONDS,), name="probes", daemon=True)
    serving.start()
    log.info("probes are answered", extra={"host": host, "port": server.server_port})
    try:
        with on_scrape(streams_of(services)):
            await probes.tick()
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


def streams_of(services: Sequence[Service]) -> Callable[[], Awaitable[None]]:
    """Looks how full the streams of the broker are."""

    async def look() -> None:
        if not services:
            return
        for info in await services[0].platform.client.jetstream().streams_info():
            name = info.config.name or ""
            metrics.STREAM_MESSAGES.labels(name).set(info.state.messages)
            metrics.STREAM_BYTES.labels(name).set(info.state.bytes)

    return look


def _listening(host: str, port: int, app: "WSGIApplication") -> _Server:
    kind = _V6Server if ":" in host else _Server
    return make_server(host, port, app, server_class=kind, handler_class=_Handler)


def _answer(
    start_response: "StartResponse",
    *,
    well: bool,
    status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE,
) -> list[bytes]:
    found = HTTPStatus.OK if well else status
    start_response(f"{found.value} {found.phrase}", [("Content-Type", "application/json")])
    return [orjson.dumps({"status": "ok" if well else found.phrase.lower()})]
