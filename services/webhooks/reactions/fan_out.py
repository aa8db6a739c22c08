"""Which endpoints hear of a fact, and that they get it again on order."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Protocol

from services.webhooks.domain.deliveries import Delivery
from services.webhooks.domain.endpoints import Endpoint
from services.webhooks.ports import Current, Execute
from shared.contracts.base import Event, Metadata, Recorded
from shared.contracts.public import events_behind, public_event
from shared.contracts.webhooks import (
    ReplayRequested,
    RequestRedelivery,
    ScheduleDelivery,
    WebhookDisabled,
)
from shared.kernel.ids import derived_id

Subscribed = Callable[[str, str, int], Awaitable[Sequence[str]]]
SKEW = timedelta(minutes=1)
"""Between the clocks of a gateway and the broker."""
LATE = timedelta(days=7)
"""A command waits so long for its owner at most, and its events tell when it was given."""


class History(Protocol):
    def __call__(
        self, after: int, subjects: Sequence[str], *, since: datetime | None
    ) -> AsyncIterator[Sequence[Recorded[Event]]]: ...


class FanOut:
    """One delivery per endpoint that asked for such events."""

    def __init__(self, execute: Execute, subscribed: Subscribed) -> None:
        self._execute = execute
        self._subscribed = subscribed

    async def __call__(self, recorded: Recorded[Event]) -> None:
        public = public_event(recorded.event)
        if public is None:
            return
        for webhook_id in await self._subscribed(
            recorded.tenant_id, public.type, recorded.sequence
        ):
            if isinstance(recorded.event, WebhookDisabled) and (
                recorded.event.webhook_id == webhook_id
            ):
                continue  # it was switched on again meanwhile; that is no news for it
            command = delivery_of(recorded, webhook_id)
            await self._execute(command, recorded.metadata, f"deliver {command.delivery_id}")


class Replay:
    """Delivers again what happened within a range of time."""

    def __init__(self, execute: Execute, current: Current, history: History) -> None:
        self._execute = execute
        self._current = current
        self._history = history

    async def __call__(self, recorded: Recorded[ReplayRequested]) -> None:
        event, tenant_id = recorded.event, recorded.tenant_id
        endpoint = await self._current("webhook_endpoint", tenant_id, event.webhook_id)
        if not isinstance(endpoint, Endpoint) or endpoint.deleted:
            return
        wanted = events_behind(endpoint.settings.events)
        subjects = [f"evt.{tenant_id}.{kind.aggregate}.*.{kind.name}" for kind in wanted]
        if not subjects:
            return
        # What happens from now on is delivered anyhow.
        until = min(event.until, recorded.at)
        async with aclosing(
            self._history(0, subjects, since=event.since - SKEW)  # type: ignore[type-var]  # an async generator, which `aclosing` wants
        ) as batches:
            async for batch in batches:
                for past in batch:
                    if event.since <= past.at < until:
                        await self._again(past, event.webhook_id, recorded.metadata)
                if batch[-1].at > until + LATE:
                    return

    async def _again(self, past: Recorded[Event], webhook_id: str, cause: Metadata) -> None:
        command = delivery_of(past, webhook_id)
        known = await self._current("delivery", past.tenant_id, command.delivery_id)
        if isinstance(known, Delivery):
            again = RequestRedelivery(delivery_id=command.delivery_id, webhook_id=webhook_id)
            await self._execute(again, cause, f"redeliver {command.delivery_id}")
        else:
            await self._execute(command, cause, f"replay {command.delivery_id}")


def delivery_of(recorded: Recorded[Event], webhook_id: str) -> ScheduleDelivery:
    """How a public event goes to an endpoint: the same whenever it is asked for."""
    public = public_event(recorded.event)
    assert public is not None  # noqa: S101  only events that are public come here
    return ScheduleDelivery(
        delivery_id=derived_id("delivery", webhook_id, recorded.event_id),
        webhook_id=webhook_id,
        message_id=recorded.event_id,
        event_type=public.type,
        occurred_at=recorded.at,
        position=recorded.sequence,
        body=public.model_dump_json(),
    )
