"""A receiver that is down for an hour, in simulated time: the decisions, the rows and the order of
a lane are the real ones; the clock jumps to whatever is due next.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.webhooks.domain.deliveries import (
    WAITS,
    DeliveryState,
    NoDelivery,
    decide,
    evolve,
)
from services.webhooks.main import DELIVERIES
from services.webhooks.ports import Lane, Pending
from services.webhooks.queries.deliveries import DeliveryQueries
from shared.adapters.projector import project
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Recorded
from shared.contracts.webhooks import (
    Attempted,
    DeliveryCommand,
    RecordAttempt,
    ScheduleDelivery,
)
from shared.kernel.ids import derived_id, new_id
from tests.bank.messages import NOW, metadata
from tests.integration.replay import fresh

DOWN_UNTIL = NOW + timedelta(hours=1)
EVENTS = 30
"""Half of them happen while nobody answers, at all the lanes together."""
LANES = ("w1", "w2")


@dataclass
class Simulation:
    """A log in memory, real rows, and receivers that answer from some time on."""

    store: ReadModelStore
    tenant_id: str
    position: int = 0
    states: dict[str, DeliveryState] = field(default_factory=lambda: defaultdict(NoDelivery))
    arrived: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Ids of messages that a receiver took, by lane."""
    attempts: int = 0

    async def order(self, command: DeliveryCommand, now: datetime) -> None:
        meta = metadata(self.tenant_id, new_id()).model_copy(update={"now": now})
        for event in decide(self.states[command.aggregate_id], command, meta):
            self.states[command.aggregate_id] = evolve(self.states[command.aggregate_id], event)
            record = Recorded(event, meta, derived_id("event", meta.message_id), self.position + 1)
            assert await project(self.store, [record], self.position) == self.position + 1
            self.position += 1

    async def happens(self, n: int, webhook_id: str, now: datetime) -> None:
        await self.order(
            ScheduleDelivery(
                delivery_id=f"{webhook_id}-{n}",
                webhook_id=webhook_id,
                message_id=f"event-{n}",
                event_type="chat.message",
                occurred_at=now,
                position=n,
                body="{}",
            ),
            now,
        )

    async def due(self, webhook_id: str, now: datetime) -> tuple[Pending | None, datetime | None]:
        """What a lane sends now, or when it is to be looked at again."""
        head = await DeliveryQueries(self.store).head_of(Lane(self.tenant_id, webhook_id), now)
        if head.pending is not None and head.pending.due_at <= now:
            return head.pending, None
        return None, head.rests_until

    async def attempt(self, webhook_id: str, pending: Pending, now: datetime) -> None:
        up = now >= DOWN_UNTIL
        self.attempts += 1
        if up:
            self.arrived[webhook_id].append(pending.message_id)
        await self.order(
            RecordAttempt(
                delivery_id=pending.delivery_id,
                webhook_id=webhook_id,
                attempted=Attempted(
                    attempt=pending.attempt,
                    url="https://x",
                    status_code=204 if up else None,
                    error=None if up else "nobody answers",
                    duration_ms=1,
                ),
                response="",
                retry_after=None,
                jitter=0,
                pace=1,
            ),
            now,
        )

    async def run(self, happenings: dict[datetime, list[tuple[int, str]]]) -> datetime:
        """Until nothing happens any more and nothing is due; returns when that was."""
        now = NOW
        while True:
            for n, webhook_id in happenings.pop(now, ()):
                await self.happens(n, webhook_id, now)
            waiting = list(happenings)
            for webhook_id in LANES:
                pending, rests_until = await self.due(webhook_id, now)
                while pending is not None:
                    await self.attempt(webhook_id, pending, now)
                    pending, rests_until = await self.due(webhook_id, now)
                waiting += [] if rests_until is None else [rests_until]
            if not waiting:
                return now
            now = min(waiting)


class TestAnOutage:
    @pytest.fixture
    async def store(self, engines: Callable[[str], AsyncEngine]) -> AsyncIterator[ReadModelStore]:
        async with fresh(engines("webhooks"), DELIVERIES) as made:
            yield made

    @pytest.mark.timeout(600)
    async def test_of_an_hour_loses_nothing_and_keeps_the_order(
        self, store: ReadModelStore, tenant_id: str
    ) -> None:
        world = Simulation(store, tenant_id)
        happenings: dict[datetime, list[tuple[int, str]]] = defaultdict(list)
        for n in range(1, EVENTS + 1):
            happenings[NOW + timedelta(minutes=4 * n)] += [(n, lane) for lane in LANES]
        happenings[NOW] = []
        end = await world.run(happenings)
        every = [f"event-{n}" for n in range(1, EVENTS + 1)]
        assert world.arrived == dict.fromkeys(LANES, every)
        # The first of each lane is tried until its receiver is back; nobody behind it is wasted.
        assert world.attempts < 2 * EVENTS + 2 * len(WAITS)
        assert DOWN_UNTIL <= end <= NOW + sum(WAITS[:5], timedelta())
