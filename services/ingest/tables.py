"""Rows that show sources and their lives; disposable, rebuilt from the log."""

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

from shared.adapters.scrub import WORDS

metadata = MetaData()

sources = Table(
    "sources",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("bot_profile_id", Text, nullable=False),
    Column("parent_id", Text),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("config", JSONB, nullable=False),
    Column("has_token", Boolean, nullable=False),
    Column("document_count", Integer, nullable=False),
    Column("chunk_count", Integer, nullable=False),
    Column("error_message", Text),
    Column("is_active", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("deleted_with_parent", Boolean, nullable=False),
    Column("refresh_schedule", Text),
    Column("refresh_cron", Text),
    Column("refresh_time_zone", Text),
    Column("authority", Text),
    Column("language", Text),
    Column("language_set", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("underway", Boolean, nullable=False),
    Column("last_refreshed_at", DateTime(timezone=True)),
    Column("next_refresh_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("sources_listed", "tenant_id", "position"),
    Index("sources_children", "tenant_id", "parent_id", "position"),
    Index("sources_underway", "tenant_id", postgresql_where=text("underway")),
    Index("sources_of_bot", "tenant_id", "bot_profile_id", "id"),
)
"""`position` is that of the event that created the source: what lists are sorted by. `underway` are
sources whose ingestion is queued or worked on."""

crawls = Table(
    "crawls",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("reason", Text),
    Column("counts", JSONB, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
"""The last crawl of each website."""

pages = Table(
    "pages",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("url", Text, primary_key=True, info={WORDS: True}),
    Column("run_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("place", Integer, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("via", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("child_id", Text),
    Column("content_hash", Text),
    Column("visited_at", DateTime(timezone=True)),
    Index("pages_due", "tenant_id", "source_id", "outcome", "depth", "position", "place"),
)
"""Every page that a crawl of a website found; `run_id` is the last one that did."""

timeline = Table(
    "timeline",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("event", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("run_id", Text),
    Column("attempt", Integer),
    Column("seconds", Float),
    Column("done", Integer),
    Column("total", Integer),
)
"""`seconds` where a stage was measured."""

revisions = Table(
    "revisions",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("prepared_at", DateTime(timezone=True), nullable=False),
    Column("ingested_at", DateTime(timezone=True)),
    Column("prepared", JSONB, nullable=False),
)
"""`prepared` is what the event of this name carries."""

bots = Table(
    "bots",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("bot_profile_id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("credentials_ref", Text),
    Column("generation", Integer, nullable=False),
    Column("settings", JSONB, nullable=False),
    Column("building", Integer),
    Column("building_settings", JSONB(none_as_null=True)),
)
"""What ingest needs of a bot, and which generations there are of its index."""

shadows = Table(
    "shadows",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("bot_profile_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("prepared", JSONB, nullable=False),
    Index("shadows_of_bot", "tenant_id", "bot_profile_id", "generation"),
)
"""Revisions as they were prepared for another generation, until that is shown or given up."""

shadow_indexes = Table(
    "shadow_indexes",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("bot_profile_id", Text, nullable=False),
    Column("settings", JSONB, nullable=False),
    Index("shadow_indexes_of_bot", "tenant_id", "bot_profile_id"),
)
"""Indexes of runs that are under way: one row per run, `settings` a list by number."""
