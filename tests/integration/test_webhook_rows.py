"""What the log says about endpoints and deliveries, as the rows of webhooks show it."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.webhooks.main import DELIVERIES, ENDPOINTS
from services.webhooks.ports import Lane
from services.webhooks.queries.deliveries import DeliveryQueries
from services.webhooks.queries.endpoints import EndpointQueries
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded
from shared.contracts.webhooks import (
    Attempted,
    DeliveryAttemptFailed,
    DeliveryScheduled,
    DeliverySucceeded,
    GetDelivery,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    RedeliveryRequested,
    SecretRotated,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookFailing,
    WebhookFaltered,
    WebhookRecovered,
    WebhookSettings,
    WebhookUpdated,
)
from shared.kernel.errors import NotFound
from tests.bank.messages import NOW, metadata
from tests.integration.replay import ProjectionContract, replay

ASK = WebhookSettings(url="https://example.com", events=("chat.message", "source.failed"))


def made(webhook_id: str, **fields: object) -> WebhookCreated:
    settings = WebhookSettings.model_validate({**ASK.model_dump(), **fields})
    return WebhookCreated(webhook_id=webhook_id, settings=settings, secret_ref="r1")


class TestEndpoints(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("webhooks")

    @pytest.fixture
    def model(self) -> ReadModel:
        return ENDPOINTS

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (
            made("a"),
            made("b", events=("chat.message",)),
            made("gone"),
            WebhookUpdated(webhook_id="a", settings=ASK.model_copy(update={"description": "Ours"})),
            SecretRotated(webhook_id="a", secret_ref="r2", previous_ref="r1", previous_until=NOW),
            WebhookFaltered(webhook_id="b", at=NOW),
            WebhookFailing(webhook_id="b", since=NOW),
            WebhookDisabled(webhook_id="b", reason="failing", failing_since=NOW),
            WebhookDeleted(webhook_id="gone", secret_refs=("r1",)),
            made("c"),
            WebhookFailing(webhook_id="c", since=NOW),
            WebhookRecovered(webhook_id="c"),
            made("d"),
            WebhookFailing(webhook_id="d", since=NOW),
            WebhookDisabled(webhook_id="d", reason="gone"),
            WebhookUpdated(webhook_id="d", settings=ASK),
        )

    async def test_shows_each_as_it_is_now(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = EndpointQueries(store), metadata(tenant_id)
        a, b, c, d = [
            await queries.get_webhook(GetWebhook(webhook_id=name), meta) for name in "abcd"
        ]
        assert (a.description, a.secret_ref, a.previous_secret_until) == ("Ours", "r2", NOW)
        assert (b.is_active, b.disabled_reason, b.failing_since) == (False, "failing", NOW)
        assert (c.is_active, c.failing_since) == (True, None)
        assert (d.is_active, d.disabled_reason, d.failing_since) == (True, None, None)
        with pytest.raises(NotFound):
            await queries.get_webhook(GetWebhook(webhook_id="gone"), meta)
        listed = await queries.list_webhooks(ListWebhooks(), meta)
        assert [view.id for view in listed.items] == ["d", "c", "b", "a"]

    async def test_tells_who_gets_what_happened_after_they_came(
        self,
        store: ReadModelStore,
        past: list[Recorded[Event]],
        tenant_id: str,
        other_tenant_id: str,
    ) -> None:
        await replay(store, past)
        queries, end = EndpointQueries(store), past[-1].sequence + 1
        assert await queries.subscribed(tenant_id, "source.failed", end) == ["a", "c", "d"]
        assert await queries.subscribed(tenant_id, "source.failed", past[3].sequence) == ["a"]
        assert await queries.subscribed(tenant_id, "source.created", end) == []
        assert await queries.subscribed(other_tenant_id, "source.failed", end) == []


def scheduled(delivery_id: str, position: int, **fields: object) -> DeliveryScheduled:
    return DeliveryScheduled.model_validate(
        {
            "delivery_id": delivery_id,
            "webhook_id": "w1",
            "message_id": f"event-{delivery_id}",
            "event_type": "chat.message",
            "occurred_at": NOW,
            "position": position,
            "body": "{}",
            **fields,
        }
    )


def failed(delivery_id: str, n: int, *, hours: float | None, parked: bool = False) -> Event:
    return DeliveryAttemptFailed(
        delivery_id=delivery_id,
        webhook_id="w1",
        attempted=Attempted(attempt=n, url="https://x", error="no answer", duration_ms=1),
        due_at=None if hours is None else NOW + timedelta(hours=hours),
        parked=parked,
    )


def succeeded(delivery_id: str, n: int) -> Event:
    return DeliverySucceeded(
        delivery_id=delivery_id,
        webhook_id="w1",
        attempted=Attempted(attempt=n, url="https://x", status_code=200, duration_ms=1),
        response="thanks",
    )


class TestDeliveries(ProjectionContract):
    @pytest.fixture
    def engine(self, engines: Callable[[str], AsyncEngine]) -> AsyncEngine:
        return engines("webhooks")

    @pytest.fixture
    def model(self) -> ReadModel:
        return DELIVERIES

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return (
            scheduled("parked", 10),
            failed("parked", 1, hours=9, parked=True),
            scheduled("third", 30),
            scheduled("second", 20),
            failed("second", 1, hours=5),
            scheduled("done", 5),
            failed("done", 1, hours=1),
            succeeded("done", 2),
            scheduled("dead", 6),
            failed("dead", 1, hours=None),
            scheduled("ping", 0, test=True),
            scheduled("again", 40, event_type="source.failed"),
            succeeded("again", 1),
            RedeliveryRequested(delivery_id="again", webhook_id="w1"),
            scheduled("other", 1, webhook_id="w2"),
            scheduled("lost", 2, webhook_id="w3"),
            WebhookDeleted(webhook_id="w3", secret_refs=()),
        )

    async def test_a_lane_begins_with_its_oldest_and_passes_over_what_was_refused(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, lane = DeliveryQueries(store), Lane(tenant_id, "w1")
        head = await queries.head_of(lane, NOW + timedelta(hours=1))
        assert head.pending is not None
        assert (head.pending.delivery_id, head.pending.attempt) == ("second", 2)
        assert head.pending.due_at == head.rests_until == NOW + timedelta(hours=5)
        head = await queries.head_of(lane, NOW + timedelta(hours=9))
        assert head.pending is not None
        assert head.pending.delivery_id == "parked"

    async def test_who_was_told_to_wait_at_a_time_that_is_to_come_is_due(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, lane = DeliveryQueries(store), Lane(tenant_id, "w1")
        put_back = NOW - timedelta(hours=1)
        head = await queries.head_of(lane, put_back)
        assert head.pending is not None
        assert (head.pending.delivery_id, head.pending.due_at) == ("parked", put_back)
        head = await queries.head_of(Lane(tenant_id, "w2"), put_back)
        assert head.pending is not None
        assert (head.pending.delivery_id, head.pending.due_at) == ("other", put_back)

    async def test_a_lane_with_nothing_but_refused_ones_waits_for_the_first_of_them(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past[:2])
        queries, later = DeliveryQueries(store), NOW + timedelta(hours=1)
        head = await queries.head_of(Lane(tenant_id, "w1"), later)
        assert (head.pending, head.rests_until) == (None, NOW + timedelta(hours=9))
        head = await queries.head_of(Lane(tenant_id, "w2"), later)
        assert (head.pending, head.rests_until) == (None, None)

    async def test_every_lane_with_something_to_send_is_found(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        found = await DeliveryQueries(store).lanes()
        assert {lane.webhook_id for lane in found if lane.tenant_id == tenant_id} == {"w1", "w2"}

    async def test_shows_how_every_delivery_stands(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = DeliveryQueries(store), metadata(tenant_id)
        listed = await queries.list_deliveries(ListDeliveries(webhook_id="w1"), meta)
        assert [(view.id, view.status, view.attempt_count) for view in listed.items] == [
            ("again", "pending", 1),
            ("ping", "pending", 0),
            ("dead", "failed", 1),
            ("done", "delivered", 2),
            ("second", "pending", 1),
            ("third", "pending", 0),
            ("parked", "pending", 1),
        ]
        question = ListDeliveries(webhook_id="w1", status="pending", event_type="source.failed")
        assert [view.id for view in (await queries.list_deliveries(question, meta)).items] == [
            "again"
        ]
        gone = await queries.list_deliveries(ListDeliveries(webhook_id="w3"), meta)
        assert gone.items == ()

    async def test_tells_of_every_attempt(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        question = GetDelivery(webhook_id="w1", delivery_id="done")
        view = await DeliveryQueries(store).get_delivery(question, metadata(tenant_id))
        assert [(one.status_code, one.error, one.response) for one in view.attempts] == [
            (None, "no answer", ""),
            (200, None, "thanks"),
        ]
        assert (view.last_status_code, view.last_error, view.next_attempt_at) == (200, None, None)

    async def test_another_tenant_sees_nothing(
        self, store: ReadModelStore, past: list[Recorded[Event]], other_tenant_id: str
    ) -> None:
        await replay(store, past)
        queries, meta = DeliveryQueries(store), metadata(other_tenant_id)
        assert (await queries.list_deliveries(ListDeliveries(webhook_id="w1"), meta)).items == ()
        assert (await queries.head_of(Lane(other_tenant_id, "w1"), NOW)).pending is None
        with pytest.raises(NotFound):
            await queries.get_delivery(GetDelivery(webhook_id="w1", delivery_id="done"), meta)
