"""Every metric there is. Counters live in memory; a scrape reads them, and nobody else does.

No label tells of a tenant, a source or a chat: their number has no bound. Whatever a client can
name freely, such as a model, is put into one of a few classes before it becomes a label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, for what a person waits for."""
SLOW = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
"""Seconds, for work that may wait for others."""


@dataclass(frozen=True, slots=True)
class Described:
    """A metric of ours, for the page of all metrics and whoever checks names."""

    name: str
    """As a scrape shows it; of a histogram, without what its series have behind it."""
    kind: Literal["counter", "gauge", "histogram"]
    labels: Sequence[str]
    meaning: str


CATALOGUE: list[Described] = []


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    CATALOGUE.append(Described(f"minirag_{name}_total", "counter", labels, meaning))
    return Counter(f"minirag_{name}", meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    CATALOGUE.append(Described(f"minirag_{name}", "gauge", labels, meaning))
    return Gauge(f"minirag_{name}", meaning, labels)


def _seconds(
    name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = QUICK
) -> Histogram:
    whole = f"minirag_{name}_seconds"
    CATALOGUE.append(Described(whole, "histogram", labels, meaning))
    return Histogram(whole, meaning, labels, buckets=buckets)


# The gateway

HTTP_REQUESTS = _counter(
    "http_requests", "Answered requests, by the pattern of their path.", "method", "route", "status"
)
HTTP_SECONDS = _seconds(
    "http_request_duration", "From a request to the first byte of its answer.", "method", "route"
)
SSE_STREAMS = _gauge("sse_streams", "Streamed answers that are open now.")
TURNED_AWAY = _counter(
    "http_turned_away",
    "Requests refused before a route saw them: over the limit of an `address` or a `caller`, or "
    "too many `requests` or `streams` at a time, or no place for one more of the `reads`, `writes` "
    "or `answers`.",
    "limit",
)

# Commands and the log

COMMANDS = _counter(
    "commands",
    "Commands by what became of them: `done`, `refused`, or `failed` and tried again.",
    "service",
    "command",
    "outcome",
)
COMMAND_SECONDS = _seconds(
    "command_duration", "Handling of one command, waiting for its turn included.", "service"
)
EVENTS = _counter("events_appended", "Events stored in the log.", "service", "event")
APPEND_SECONDS = _seconds("append_duration", "One append to the log, synced to disk.", "service")
CONFLICTS = _counter(
    "append_conflicts", "Appends refused as the aggregate had moved; decided anew.", "service"
)

# Consumers

MESSAGES = _counter(
    "messages",
    "Messages taken from a consumer, by what became of them: `handled`, `retried` or `given_up`.",
    "consumer",
    "outcome",
)
MESSAGE_SECONDS = _seconds(
    "message_duration", "One attempt at one message.", "consumer", buckets=SLOW
)
REDELIVERED = _counter(
    "redeliveries", "Deliveries of messages that were delivered before.", "consumer"
)
CONSUMER_LAG = _gauge(
    "consumer_lag", "Messages in the broker that no replica has taken yet.", "consumer"
)
CONSUMER_PENDING = _gauge(
    "consumer_ack_pending", "Messages taken by some replica and not settled.", "consumer"
)
STREAM_MESSAGES = _gauge("stream_messages", "Messages a stream of the broker holds.", "stream")
STREAM_BYTES = _gauge("stream_bytes", "Bytes a stream of the broker holds.", "stream")
DEAD_LETTERS = _counter(
    "dead_letters", "Messages given up by this process and kept in `DLQ`.", "consumer"
)
JOB_LANES = _gauge("job_lanes", "Tenants whose jobs this replica takes now.", "service")
LONGEST_LANE = _gauge("job_lane_depth_max", "Jobs of the tenant that has most of them.", "service")

# Read models

PROJECTED = _counter("projected_events", "Events projected by this process.", "read_model")
POSITION = _gauge(
    "projection_position", "Position in the log that a read model shows.", "read_model"
)
PENDING = _gauge(
    "projection_pending", "Events that wait to be projected, as of the last batch.", "read_model"
)
BEHIND = _gauge(
    "projection_lag_seconds",
    "For how long the read model has not shown all of the log; 0 when it does.",
    "read_model",
)

# Chat

TURNS = _counter(
    "chat_turns",
    "Ended turns: `answered`, `stopped` by the reader, `leaked` and cut, `refused`, or `failed`.",
    "outcome",
)
REFUSALS = _counter("chat_refusals", "Refused turns, by the reason.", "reason")
FAILURES = _counter("chat_failures", "Failed turns, by the code that clients get.", "code")
FIRST_TOKEN_SECONDS = _seconds(
    "chat_first_token", "From the start of a turn to the first words of a model.", buckets=SLOW
)
TURN_SECONDS = _seconds("chat_turn_duration", "A turn, from start to end.", buckets=SLOW)
RETRIEVAL_SECONDS = _seconds("chat_retrieval_duration", "Retrieval for one turn.")
TOKENS = _counter(
    "llm_tokens", "Tokens of ended turns, by the model's own count.", "provider", "direction"
)
COST = _counter("llm_cost_usd", "What these tokens cost at list price, US dollars.", "provider")
MODEL_CALLS = _counter(
    "llm_requests",
    "Calls of language models; `outcome` is `ok` or the failure.",
    "provider",
    "outcome",
)
MODEL_SECONDS = _seconds(
    "llm_request_duration", "One call of a language model.", "provider", buckets=SLOW
)
EMBEDDING_CALLS = _counter(
    "embedding_requests",
    "Calls of embedding models, bundled ones too; `outcome` is `ok` or the kind of failure.",
    "provider",
    "outcome",
)
EMBEDDING_SECONDS = _seconds(
    "embedding_request_duration", "One call of an embedding model.", "provider", buckets=SLOW
)

# Ingest and webhooks

INGESTIONS = _counter(
    "ingest_stages",
    "Stages that ingestions of sources have reached, from `requested` to `ingested`, `unchanged` "
    "or `failed`.",
    "stage",
)
DELIVERIES = _counter(
    "webhook_deliveries",
    "Attempts at deliveries of webhooks: `arrived`, `failed` and tried again, or `given_up`.",
    "outcome",
)
DELIVERY_SECONDS = _seconds("webhook_attempt_duration", "One attempt at a delivery.", buckets=SLOW)

# The process

LOOP_LAG_SECONDS = _seconds(
    "event_loop_lag",
    "How much later than asked for the event loop came back, looked at each second.",
)
LOG_LINES = _counter("log_lines", "Lines logged as `WARNING` or above.", "level")
CONNECTIONS = _gauge("database_connections", "Connections to Postgres in use.", "service")


def _begin(counter: Counter, *values: str) -> None:
    """Show these at 0: the first one would otherwise be no increase to Prometheus."""
    for value in values:
        counter.labels(value)


_begin(TURNS, "answered", "stopped", "leaked", "refused", "failed")
_begin(DELIVERIES, "arrived", "failed", "given_up")
_begin(INGESTIONS, "requested", "started", "ingested", "unchanged", "failed")
_begin(LOG_LINES, "WARNING", "ERROR", "CRITICAL")
