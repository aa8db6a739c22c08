"""Rows that show tenants, users, sessions, tokens and widget keys; rebuilt from the log."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.adapters.read_model import RECEIPTS
from shared.adapters.scrub import WORDS

metadata = MetaData()
audit_metadata = MetaData()
erasures_metadata = MetaData()
letters_metadata = MetaData()

tenants = Table(
    "tenants",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    Column("plan", Text, nullable=False),
    Column("browser_tokens", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, info={WORDS: True}),
    Column("display_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_ref", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("sessions_after", BigInteger, nullable=False),
    Column("kept_session", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("users_by_email", "email_key"),
)
"""`email_key` is the address as logins compare it. Sessions that started at or before
`sessions_after` in the log are over, but for `kept_session`: so the order in which aggregates
reach the rows does not matter.
"""

sessions = Table(
    "sessions",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

known_addresses = Table(
    "known_addresses",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("address_hash", Text, primary_key=True),
    Column("last_at", DateTime(timezone=True), nullable=False),
)
"""From where a user has logged in: such a place is not locked out by attempts from elsewhere."""

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("token_prefix", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("scopes", JSONB(none_as_null=True)),
    Column("bot_profile_id", Text),
    Column("is_active", Boolean, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("api_tokens_listed", "tenant_id", "created_at"),
)

widget_keys = Table(
    "widget_keys",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("bot_profile_id", Text, nullable=False),
    Column("public_key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("allowed_origins", JSONB, nullable=False),
    Column("quotas", JSONB, nullable=False),
    Column("appearance", JSONB, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

audit_entries = Table(
    "audit_entries",
    audit_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("user_id", Text),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("origin", Text),
    Index("audit_listed", "tenant_id", "position"),
    Index("audit_by_user", "tenant_id", "user_id", "position"),
)
"""`origin` is sealed with the key of the user, so that these rows need no erasure of their own."""

erasures = Table(
    "erasures",
    erasures_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("before", DateTime(timezone=True)),
    Column("status", Text, nullable=False),
    Column("parts", JSONB, nullable=False),
    Column("counts", JSONB, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("completed_at", DateTime(timezone=True)),
    Index("erasures_listed", "tenant_id", "position"),
    info={RECEIPTS: True},
)
"""Each names what was erased by its id only."""

dead_letters = Table(
    "dead_letters",
    letters_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("given_up", DateTime(timezone=True), nullable=False),
    Column("service", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    Column("settled_by", Text),
    Column("user_id", Text),
    Index("dead_letters_settled", "tenant_id", "status", "settled_at"),
)
"""`settled_by` gave the last order about it; `user_id` is whose session or token that was."""
