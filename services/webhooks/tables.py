"""Rows that show endpoints and deliveries; disposable, rebuilt from the log."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

endpoints_metadata = MetaData()
deliveries_metadata = MetaData()

endpoints = Table(
    "endpoints",
    endpoints_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", JSONB, nullable=False),
    Column("description", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("secret_ref", Text, nullable=False),
    Column("previous_secret_until", DateTime(timezone=True)),
    Column("disabled_reason", Text),
    Column("failing_since", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("endpoints_listed", "tenant_id", "position"),
)
"""`position` is that of the event that created the endpoint; it gets nothing from before."""

deliveries = Table(
    "deliveries",
    deliveries_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("webhook_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("parked", Boolean, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("last_status_code", Integer),
    Column("last_error", Text),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("correlation_id", Text, nullable=False),
    Column("traceparent", Text),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("deliveries_listed", "tenant_id", "webhook_id", "sequence"),
    Index(
        "deliveries_pending",
        "tenant_id",
        "webhook_id",
        "position",
        postgresql_where=text("status = 'pending' and not test"),
    ),
)
"""`position` is that of the delivered event: an endpoint hears of events in the order of the log.
`sequence` is that of the fact which made the row. `next_attempt_at` is set while it is pending.
"""

attempts = Table(
    "attempts",
    deliveries_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("delivery_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("webhook_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("url", Text, nullable=False),
    Column("status_code", Integer),
    Column("error", Text),
    Column("duration_ms", Float, nullable=False),
    Column("response", Text, nullable=False),
    Index("attempts_of_webhook", "tenant_id", "webhook_id"),
)
