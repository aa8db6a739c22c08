"""Metrics of what the product does, counted where the facts are stored.

An event is appended once, by one process, whatever is repeated around it; so what is counted here
is what happened. A counter that a service kept beside its work would count attempts.
"""

from collections.abc import Callable, Mapping
from typing import Any

from shared.contracts.base import Event
from shared.contracts.chat import QuestionAnswered, QuestionRefused, Timings, TurnFailed, Usage
from shared.contracts.ingest import (
    IngestionRequested,
    IngestionStarted,
    SourceFailed,
    SourceFetched,
    SourceIngested,
    SourcePrepared,
    SourceUnchanged,
)
from shared.contracts.ingest_stages import SourceChunked, SourceExtracted
from shared.contracts.webhooks import DeliveryAttemptFailed, DeliverySucceeded
from shared.kernel.prices import cost
from shared.telemetry import metrics
from shared.telemetry.providers import provider_of


def appended(event: Event, service: str) -> None:
    """Count an event that was just stored."""
    metrics.EVENTS.labels(service, f"{event.aggregate}.{event.name}").inc()
    if (count := _COUNTS.get(type(event))) is not None:
        count(event)


def _answered(event: QuestionAnswered) -> None:
    outcome = "leaked" if event.leaked else "stopped" if event.stopped else "answered"
    metrics.TURNS.labels(outcome).inc()
    _timed(event.timings)
    _used(event.usage)


def _refused(event: QuestionRefused) -> None:
    metrics.TURNS.labels("refused").inc()
    metrics.REFUSALS.labels(event.reason).inc()
    _timed(event.timings)
    _used(event.usage)


def _failed(event: TurnFailed) -> None:
    metrics.TURNS.labels("failed").inc()
    metrics.FAILURES.labels(event.error).inc()


def _timed(timings: Timings) -> None:
    metrics.RETRIEVAL_SECONDS.observe(timings.retrieval_ms / 1000)
    metrics.TURN_SECONDS.observe(timings.total_ms / 1000)
    if timings.first_token_ms is not None:
        metrics.FIRST_TOKEN_SECONDS.observe(timings.first_token_ms / 1000)


def _used(usage: Usage) -> None:
    provider = provider_of(usage.model)
    metrics.TOKENS.labels(provider, "input").inc(usage.prompt_tokens)
    metrics.TOKENS.labels(provider, "output").inc(usage.completion_tokens)
    metrics.COST.labels(provider).inc(
        cost(usage.model, usage.prompt_tokens, usage.completion_tokens)
    )


def _stage(name: str) -> Callable[[Event], None]:
    return lambda _event: metrics.INGESTIONS.labels(name).inc()


def _delivered(event: DeliverySucceeded) -> None:
    metrics.DELIVERIES.labels("arrived").inc()
    metrics.DELIVERY_SECONDS.observe(event.attempted.duration_ms / 1000)


def _not_delivered(event: DeliveryAttemptFailed) -> None:
    metrics.DELIVERIES.labels("failed" if event.due_at else "given_up").inc()
    metrics.DELIVERY_SECONDS.observe(event.attempted.duration_ms / 1000)


_COUNTS: Mapping[type[Event], Callable[[Any], None]] = {
    QuestionAnswered: _answered,
    QuestionRefused: _refused,
    TurnFailed: _failed,
    IngestionRequested: _stage("requested"),
    IngestionStarted: _stage("started"),
    SourceFetched: _stage("fetched"),
    SourceExtracted: _stage("extracted"),
    SourceChunked: _stage("chunked"),
    SourcePrepared: _stage("prepared"),
    SourceIngested: _stage("ingested"),
    SourceUnchanged: _stage("unchanged"),
    SourceFailed: _stage("failed"),
    DeliverySucceeded: _delivered,
    DeliveryAttemptFailed: _not_delivered,
}
