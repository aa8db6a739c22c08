"""Composition root of webhooks. Read this first: it lists every way in."""

from contextlib import AsyncExitStack
from functools import partial

from services.webhooks.adapters import targets
from services.webhooks.adapters.http_sender import HttpSender
from services.webhooks.adapters.leadership import BrokerAlarm, LockedLeadership
from services.webhooks.adapters.timers import BrokerTimers, ticks
from services.webhooks.domain.deliveries import delivery_decider
from services.webhooks.domain.endpoints import endpoint_decider
from services.webhooks.handlers import CheckEndpoint, CheckTarget
from services.webhooks.projections.deliveries import Deliveries
from services.webhooks.projections.endpoints import Endpoints
from services.webhooks.queries.deliveries import DeliveryQueries
from services.webhooks.queries.endpoints import EndpointQueries
from services.webhooks.reactions.attempts import Attempts
from services.webhooks.reactions.dispatch import Dispatch, WakeLane
from services.webhooks.reactions.fan_out import FanOut, Replay
from services.webhooks.reactions.secrets import ForgetSecrets
from services.webhooks.settings import Settings
from services.webhooks.tables import deliveries_metadata, endpoints_metadata
from shared.adapters.egress import egress_client
from shared.adapters.read_model import ReadModel
from shared.contracts.public import TRANSLATIONS
from shared.contracts.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    DeliveryScheduled,
    GetDelivery,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    RedeliveryRequested,
    ReplayRequested,
    RequestRedelivery,
    RequestReplay,
    RotateSecret,
    SecretRotated,
    SendTest,
    UpdateWebhook,
    WebhookDeleted,
    WebhookUpdated,
)
from shared.runtime.erasing import take_part
from shared.runtime.platform import Platform
from shared.runtime.service import Service

__all__ = ["Settings", "build"]

ANSWER_BYTES = 64 * 1024
ENDPOINTS = ReadModel(
    service="webhooks",
    name="endpoints",
    version=1,
    tables=endpoints_metadata,
    owns={"webhook_endpoint": endpoint_decider},
    projection=Endpoints(),
)
DELIVERIES = ReadModel(
    service="webhooks",
    name="deliveries",
    version=1,
    tables=deliveries_metadata,
    owns={"delivery": delivery_decider},
    projection=Deliveries(),
    listens=[(e.aggregate, e.name) for e in (WebhookDeleted,)],
    erased=("deliveries_before",),
)


async def build(settings: Settings, platform: Platform, stack: AsyncExitStack) -> Service:
    """The service, not yet running."""
    # No redirects: what is signed for one address would go along to another.
    http = await stack.enter_async_context(
        egress_client(
            allow_loopback=settings.egress_allow_loopback,
            timeout=settings.webhook_timeout_seconds,
            max_redirects=0,
            max_body=ANSWER_BYTES,
        )
    )
    service = Service(platform)
    endpoints, deliveries = (service.keeps(model) for model in (ENDPOINTS, DELIVERIES))
    refused = partial(targets.refused, allow_loopback=settings.egress_allow_loopback)
    service.takes(
        endpoints,
        [CreateWebhook, UpdateWebhook, DeleteWebhook, RotateSecret, RequestReplay],
        check=CheckTarget(refused),
    )
    service.takes(deliveries, [RequestRedelivery], check=CheckEndpoint(service.current))

    endpoint_queries, delivery_queries = EndpointQueries(endpoints), DeliveryQueries(deliveries)
    attempts = Attempts(
        service.execute,
        service.current,
        platform.vault.get,
        HttpSender(http, seconds=settings.webhook_timeout_seconds),
        pace=settings.webhook_pace,
    )
    service.answers(GetWebhook, endpoint_queries.get_webhook, endpoint_queries.memo)
    service.answers(ListWebhooks, endpoint_queries.list_webhooks, endpoint_queries.memo)
    service.answers(GetDelivery, delivery_queries.get_delivery)
    service.answers(ListDeliveries, delivery_queries.list_deliveries)
    service.answers(SendTest, attempts.ping)

    fan_out = FanOut(service.execute, endpoint_queries.subscribed)
    service.starts(partial(endpoint_queries.memo.follow, platform.client))
    service.reacts("fan-out", list(TRANSLATIONS), fan_out, in_order=True)
    replay = Replay(service.execute, service.current, platform.event_log.history)
    service.reacts("replay", [ReplayRequested], replay)
    service.reacts("forget-secrets", [SecretRotated, WebhookDeleted], ForgetSecrets(platform.vault))

    alarm = BrokerAlarm(platform.client)
    wake = WakeLane(alarm, service.shown("deliveries"))
    service.reacts("wake-lanes", [DeliveryScheduled, RedeliveryRequested, WebhookUpdated], wake)
    ticking = ticks(platform.client, alarm.wake)
    service.starts(ticking.ensure)
    service.serves(ticking.run)
    dispatch = Dispatch(
        LockedLeadership(platform.engine, platform.client),
        delivery_queries,
        BrokerTimers(service.timers),
        attempts.deliver,
    )
    service.serves(dispatch.run)
    take_part(service, endpoints, deliveries)
    return service
