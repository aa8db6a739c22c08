"""Rows that show schedules; disposable, rebuilt from the log."""

from sqlalchemy import Column, DateTime, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

schedules = Table(
    "schedules",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("rule", JSONB, nullable=False),
    Column("next_at", DateTime(timezone=True), index=True),
    Column("last_slot", DateTime(timezone=True)),
)
