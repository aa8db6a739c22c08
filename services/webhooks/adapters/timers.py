"""Timers of the broker wake lanes: one per lane, also when nobody was there to count the time."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from nats.aio.client import Client
from typing_extensions import override

from services.webhooks.ports import Lane, Timers
from shared.contracts.base import Metadata
from shared.kernel.clock import utc_now
from shared.kernel.ids import new_id
from shared.runtime import timers
from shared.runtime.consumer import Consumer, Delivery

KIND = "webhook_endpoint"
ACTOR = "service/webhooks"


class BrokerTimers(Timers):
    """The `Timers` over the broker."""

    def __init__(self, timers_of_broker: timers.Timers) -> None:
        self._timers = timers_of_broker

    @override
    async def set(self, lane: Lane, at: datetime) -> None:
        cause_id = new_id()
        cause = Metadata(
            tenant_id=lane.tenant_id,
            message_id=cause_id,
            correlation_id=cause_id,
            actor=ACTOR,
            now=utc_now(),
        )
        await self._timers.set(KIND, lane.webhook_id, at, cause)


def ticks(client: Client, woken: Callable[[Lane], Awaitable[None]]) -> Consumer:
    """Hears ticks, in whichever replica; each is repeated until `woken` took it."""

    async def wake(tick: timers.Tick) -> None:
        await woken(Lane(tick.metadata.tenant_id, tick.timer_id))

    async def forget(_delivery: Delivery, _reason: str) -> None:
        """Nothing is lost: whoever dispatches next looks at all lanes."""

    return timers.hearing(client, "webhooks", KIND, wake, None, forget)
