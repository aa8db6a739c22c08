"""Which request the running work belongs to, so that every log line can tell."""

from contextvars import ContextVar

CORRELATION: ContextVar[str | None] = ContextVar("correlation", default=None)
"""The `correlation_id` of `Metadata`: the id of the request that everything began with."""
