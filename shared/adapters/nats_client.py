"""How every process connects to NATS: for ever, with quick pings, and never with too few rights."""

import logging
import os
import signal
from collections.abc import Callable
from typing import Any

import nats
from nats.aio.client import Client

from shared.adapters.nats_headers import read_headers_fast

log = logging.getLogger(__name__)

PING_SECONDS = 10
OUTSTANDING_PINGS = 2


def give_up() -> None:
    """End this process so that its supervisor starts it anew with a clean state."""
    os.kill(os.getpid(), signal.SIGTERM)


def options(
    name: str,
    on_fatal: Callable[[], None] = give_up,
    on_return: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Connection options, also for FastStream's broker.

    The client's own defaults give up after two minutes without a broker and notice a hung one
    after six. A permission error surfaces only here, while the caller sees a timeout; going on
    would mean to retry for ever what can never succeed, so it ends the process. `on_return` is
    called whenever a lost connection is there again.
    """
    read_headers_fast()

    async def on_error(error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            log.critical(
                "nats refused an operation for lack of rights", extra={"error": str(error)}
            )
            on_fatal()
        else:
            log.warning("nats connection error", extra={"error": str(error) or repr(error)})

    async def on_closed() -> None:
        log.info("nats connection closed")

    async def on_disconnected() -> None:
        log.info("nats disconnected")  # an orderly close comes by here as well

    async def on_reconnected() -> None:
        log.info("nats reconnected")
        on_return()

    return {
        "name": name,
        "allow_reconnect": True,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.25,
        "ping_interval": PING_SECONDS,
        "max_outstanding_pings": OUTSTANDING_PINGS,
        "error_cb": on_error,
        "closed_cb": on_closed,
        "disconnected_cb": on_disconnected,
        "reconnected_cb": on_reconnected,
    }


async def connect(url: str, name: str, on_fatal: Callable[[], None] = give_up) -> Client:
    """A connection that outlives any broker restart."""
    return await nats.connect(url, **options(name, on_fatal))


async def taken_in(client: Client) -> None:
    """Return once the broker knows all that was told to it before, subscriptions above all.

    The client's `flush` sends its ping ahead of what waits to be written. When that is answered
    all of it is written, and the broker has read it once it answers a second one.
    Raises what `flush` raises.
    """
    for _ in range(2):
        await client.flush()
