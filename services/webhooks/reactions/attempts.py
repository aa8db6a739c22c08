"""One attempt at a delivery: signed, sent, judged, recorded."""

import random
from http import HTTPStatus

import orjson

from services.webhooks.domain import signing
from services.webhooks.domain.deliveries import Delivery, arrived
from services.webhooks.domain.endpoints import Endpoint
from services.webhooks.ports import Answer, Current, Execute, Lane, Pending, Secret, Sender
from shared.contracts.base import Metadata
from shared.contracts.webhooks import (
    TEST_TYPE,
    Attempted,
    NoteAttempt,
    RecordAttempt,
    ScheduleDelivery,
    SendTest,
    TestResult,
)
from shared.kernel.clock import utc_now
from shared.kernel.errors import NotFound, Unavailable
from shared.telemetry import spans
from shared.telemetry.spans import Kind

ACTOR = "service/webhooks"


class Attempts:
    """Makes attempts. The outside is reached here and nowhere else."""

    def __init__(
        self, execute: Execute, current: Current, secret: Secret, sender: Sender, *, pace: float
    ) -> None:
        self._execute = execute
        self._current = current
        self._secret = secret
        self._sender = sender
        self._pace = pace

    async def deliver(self, lane: Lane, pending: Pending) -> bool:
        """Make the next attempt at `pending`; False if its endpoint gets nothing now.

        Raise `Unavailable` if the log knows of an attempt that `pending` does not.

        Whatever is killed on the way, the same attempt is made again with the same id and bytes.
        """
        endpoint = await self._current("webhook_endpoint", lane.tenant_id, lane.webhook_id)
        if not isinstance(endpoint, Endpoint) or endpoint.deleted:
            return False
        if not endpoint.settings.is_active:
            return False
        delivery = await self._current("delivery", lane.tenant_id, pending.delivery_id)
        if not isinstance(delivery, Delivery) or delivery.attempts >= pending.attempt:
            # The database forgets its last moments in a crash; the log does not.
            raise Unavailable("the attempt was made, and the delivery log does not show it yet")
        cause = Metadata(
            tenant_id=lane.tenant_id,
            message_id=pending.delivery_id,
            correlation_id=pending.correlation_id,
            actor=ACTOR,
            now=utc_now(),
            traceparent=pending.traceparent,
        )
        with spans.span("deliver webhook", Kind.CLIENT, parent=pending.traceparent) as span:
            await self._attempt(lane, pending, endpoint, cause, span)
        return True

    async def _attempt(
        self,
        lane: Lane,
        pending: Pending,
        endpoint: Endpoint,
        cause: Metadata,
        span: spans.Span,
    ) -> None:
        answer = await self._send(
            endpoint, cause, pending.event_type, pending.message_id, pending.body.encode()
        )
        span.tell("minirag.event", pending.event_type)
        span.tell("minirag.attempt", pending.attempt)
        if answer.status_code is not None:
            span.tell("http.response.status_code", answer.status_code)
        delivered = arrived(answer.status_code)
        if not delivered:
            span.failed(str(answer.status_code or "unreachable"))
        if not (delivered and endpoint.healthy):
            gone = answer.status_code == HTTPStatus.GONE
            note = NoteAttempt(webhook_id=lane.webhook_id, delivered=delivered, gone=gone)
            await self._execute(note, cause, f"note attempt {pending.attempt}")
        record = self._record(
            pending.delivery_id, lane.webhook_id, pending.attempt, endpoint.settings.url, answer
        )
        await self._execute(record, cause, f"record attempt {pending.attempt}")

    async def ping(self, question: SendTest, meta: Metadata) -> TestResult:
        """Send a ping at once. Says nothing about the endpoint's health. Raises `NotFound`."""
        endpoint = await self._current("webhook_endpoint", meta.tenant_id, question.webhook_id)
        if not isinstance(endpoint, Endpoint) or endpoint.deleted:
            raise NotFound("Webhook not found")
        body = orjson.dumps({"event": TEST_TYPE, "webhook_id": question.webhook_id})
        schedule = ScheduleDelivery(
            delivery_id=question.delivery_id,
            webhook_id=question.webhook_id,
            message_id=question.delivery_id,
            event_type=TEST_TYPE,
            occurred_at=meta.now,
            position=0,
            body=body.decode(),
            test=True,
        )
        await self._execute(schedule, meta, "ping")
        answer = await self._send(endpoint, meta, TEST_TYPE, question.delivery_id, body)
        known = await self._current("delivery", meta.tenant_id, question.delivery_id)
        if isinstance(known, Delivery) and known.attempts == 0:
            record = self._record(
                question.delivery_id, question.webhook_id, 1, endpoint.settings.url, answer
            )
            await self._execute(record, meta, "record ping")
        return TestResult(success=arrived(answer.status_code), status_code=answer.status_code)

    async def _send(
        self, endpoint: Endpoint, meta: Metadata, event_type: str, message_id: str, body: bytes
    ) -> Answer:
        now = utc_now()
        found = [await self._secret(meta.tenant_id, ref) for ref in endpoint.secret_refs(now)]
        secrets = [secret.decode() for secret in found if secret is not None]
        if not secrets:
            return Answer(None, "", "the signing secret is not there any more", None, 0.0)
        headers = signing.headers(secrets, event_type, message_id, now, body)
        if traceparent := spans.traceparent(meta.traceparent):
            headers["traceparent"] = traceparent
        return await self._sender.send(endpoint.settings.url, headers, body)

    def _record(
        self, delivery_id: str, webhook_id: str, attempt: int, url: str, answer: Answer
    ) -> RecordAttempt:
        return RecordAttempt(
            delivery_id=delivery_id,
            webhook_id=webhook_id,
            attempted=Attempted(
                attempt=attempt,
                url=url,
                status_code=answer.status_code,
                error=answer.error,
                duration_ms=answer.duration_ms,
            ),
            response=answer.text,
            retry_after=answer.retry_after,
            jitter=random.uniform(-1, 1),  # noqa: S311  no secret
            pace=self._pace,
        )
