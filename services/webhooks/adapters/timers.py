"""Timers in the broker: they fire also when nobody of us was there to count the time.

A scheduled message (NATS ADR-51) in the stream `SCHED`, one per lane, which publishes a tick.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import nats.errors
from nats.aio.client import Client
from nats.js import api
from typing_extensions import override

from services.webhooks.ports import Lane, Timers
from shared.kernel.errors import Unavailable
from shared.kernel.ids import subject_token
from shared.runtime.consumer import Consumer, Delivery

STREAM = "SCHED"
CONSUMER = "webhooks-ticks"
AGGREGATE = "webhook_endpoint"
TICK_LIFE = "1h"
"""A tick that nobody takes for so long is not needed: who starts then looks at all lanes."""
CONCURRENCY = 16
ATTEMPTS = 20


class BrokerTimers(Timers):
    """The `Timers` over the broker."""

    def __init__(self, client: Client) -> None:
        self._js = client.jetstream()

    @override
    async def set(self, lane: Lane, at: datetime) -> None:
        name = f"{subject_token(lane.tenant_id)}.{AGGREGATE}.{subject_token(lane.webhook_id)}"
        headers = {
            "Nats-Schedule": f"@at {at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}",
            "Nats-Schedule-Target": f"tick.{name}",
            "Nats-Schedule-TTL": TICK_LIFE,
        }
        try:
            await self._js.publish(f"sched.{name}", b"", headers=headers, stream=STREAM)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("the timer was not set") from error


def ticks(client: Client, woken: Callable[[Lane], Awaitable[None]]) -> Consumer:
    """Hears ticks, in whichever replica; each is repeated until `woken` took it."""

    async def handle(delivery: Delivery) -> None:
        _, tenant_id, _, webhook_id = delivery.subject.split(".")
        await woken(Lane(tenant_id, webhook_id))

    async def give_up(_delivery: Delivery, _reason: str) -> None:
        """Nothing is lost: whoever dispatches next looks at all lanes."""

    config = api.ConsumerConfig(
        durable_name=CONSUMER,
        filter_subjects=[f"tick.*.{AGGREGATE}.*"],
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=15,
        max_deliver=-1,
        max_ack_pending=1000,
    )
    return Consumer(
        client,
        STREAM,
        config,
        handle,
        give_up,
        key=str,
        concurrency=CONCURRENCY,
        max_attempts=ATTEMPTS,
    )
