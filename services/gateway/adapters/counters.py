"""Counts that all gateways share, in a JetStream counter stream (NATS ADR-49)."""

import time

import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError

from shared.kernel.errors import Unavailable

SECONDS = 3.0


class SharedCounters:
    """Fixed windows: what is allowed per window may come twice around its end."""

    def __init__(self, client: Client) -> None:
        self._js = client.jetstream(timeout=SECONDS)

    async def add(self, name: str, amount: int, window: int) -> tuple[int, int]:
        """Add to `name` in the present window of so many seconds.

        Returns the sum, and the seconds until the window ends. Raises `Unavailable`.
        """
        number, into = divmod(int(time.time()), window)
        try:
            ack = await self._js.publish(
                f"count.{name}.{window}.{number}",
                b"",
                # No expected stream: the server takes no other header beside this one.
                headers={"Nats-Incr": f"{amount:+d}"},
            )
        except (nats.errors.Error, APIError, TimeoutError) as error:
            raise Unavailable("limits cannot be checked") from error
        return int(ack.val or 0), window - into
