"""Rows that show bots, chats and what is indexed; disposable, rebuilt from the log."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

bots_metadata = MetaData()
chats_metadata = MetaData()
index_metadata = MetaData()
spending_metadata = MetaData()
playground_metadata = MetaData()

bot_profiles = Table(
    "bot_profiles",
    bots_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("embedding_model", Text),
    Column("system_prompt", Text, nullable=False),
    Column("temperature", Float, nullable=False),
    Column("max_tokens", Integer, nullable=False),
    Column("credentials_ref", Text),
    Column("is_active", Boolean, nullable=False),
    Column("floor", Float),
    Column("refusal_text", Text),
    Column("check_claims", Boolean, nullable=False),
    Column("fallback_models", JSONB, nullable=False),
    Column("link_hosts", JSONB, nullable=False),
    Column("chunk_size", Integer),
    Column("chunk_overlap", Integer),
    Column("cache_answers", Boolean, nullable=False),
    Column("rerank_model", Text),
    Column("top_k", Integer),
    Column("lexical_weight", Float),
    Column("gate_suite_id", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("bot_profiles_listed", "tenant_id", "position"),
)
"""`position` is that of the event that created the row: what lists are sorted by."""

bot_versions = Table(
    "bot_versions",
    bots_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("bot_profile_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("settings", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", Text),
    Column("variant", Integer),
    Column("restores", Integer),
)
"""Every state of a bot's settings, numbered from 1 in the order of the log."""

chats = Table(
    "chats",
    chats_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("bot_profile_id", Text, nullable=False),
    Column("visitor_id", Text),
    Column("token_id", Text),
    Column("replayed_chat_id", Text),
    Column("title", Text, nullable=False),
    Column("message_count", Integer, nullable=False),
    Column("total_prompt_tokens", BigInteger, nullable=False),
    Column("total_completion_tokens", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("chats_listed", "tenant_id", "position"),
    Index("chats_of_bot", "tenant_id", "bot_profile_id", "position"),
    Index("chats_replaying", "tenant_id", "replayed_chat_id"),
)

messages = Table(
    "messages",
    chats_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("chat_id", Text, nullable=False),
    Column("turn_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("refusal", Boolean, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("feedback", Text),
    Column("draft", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("messages_of_chat", "tenant_id", "chat_id", "sequence"),
)

turns = Table(
    "turns",
    chats_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("turn_id", Text, primary_key=True),
    Column("chat_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("message_id", Text),
    Column("grounded", Boolean, nullable=False),
    Column("support", Float),
    Column("stopped", Boolean, nullable=False),
    Column("reason", Text),
    Column("best_score", Float),
    Column("bot_version", Integer),
    Column("citations", JSONB, nullable=False),
    Column("usage", JSONB(none_as_null=True)),
    Column("error", Text),
    Column("detail", Text),
    Column("retryable", Boolean, nullable=False),
    Column("error_status", Integer),
    Column("retry_after", Float),
)

citations = Table(
    "citations",
    chats_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("chat_id", Text, nullable=False),
    Column("citation", JSONB, nullable=False),
)

erased_chats = Table(
    "erased_chats",
    chats_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("erasure_id", Text, nullable=False),
    Index("chats_of_erasure", "tenant_id", "erasure_id"),
)
"""What each erasure took."""

indexed_sources = Table(
    "indexed_sources",
    index_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("answers", Boolean, nullable=False),
    Column("bot_profile_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("points", Integer, nullable=False),
    Column("embedding_model", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("language", Text),
    Column("name", Text, nullable=False),
    Column("title", Text),
    Column("url", Text),
    Column("text_ref", Text, nullable=False),
    Column("authority", Text),
    Column("is_active", Boolean, nullable=False),
    Index("indexed_of_bot", "tenant_id", "bot_profile_id"),
)
"""One row of each source answers; others are of the generation that is being built."""

bot_indexes = Table(
    "bot_indexes",
    index_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("bot_profile_id", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("settings", JSONB, nullable=False),
    Column("switched_at", DateTime(timezone=True)),
    Column("building", Integer),
    Column("building_settings", JSONB(none_as_null=True)),
    Column("started_at", DateTime(timezone=True)),
    Column("reason", Text),
    Column("failed_source_id", Text),
)

collections = Table(
    "collections",
    index_metadata,
    Column("embedding_model", Text, primary_key=True),
    Column("dimension", Integer, primary_key=True),
    Column("name", Text, nullable=False),
)
"""Which vector index belongs to these rows: a rebuild fills one of its own and swaps both."""

shadow_indexes = Table(
    "shadow_indexes",
    index_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("bot_profile_id", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("embedding_model", Text),
    Column("dimension", Integer),
    Index("shadow_indexes_of_bot", "tenant_id", "bot_profile_id"),
)
"""Indexes of runs that are under way, each with a vector index of its own, which is made when the
first part of it comes.
"""

shadow_sources = Table(
    "shadow_sources",
    index_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("made", Boolean, nullable=False),
    Column("language", Text),
    Column("name", Text, nullable=False),
    Column("title", Text),
    Column("url", Text),
    Column("text_ref", Text, nullable=False),
    Column("authority", Text),
    Column("is_active", Boolean, nullable=False),
    Index("shadow_sources_of_source", "tenant_id", "source_id"),
)
"""What answered when the run began, by index; `made` are those that are in it."""

limits = Table(
    "limits",
    spending_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("bot_profile_id", Text),
    Column("period", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", Float, nullable=False),
)
"""Budgets that stop."""

spent = Table(
    "spent",
    spending_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("bot_profile_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
)
"""Days are those of UTC."""

suites = Table(
    "suites",
    playground_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("bot_profile_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("suites_of_bot", "tenant_id", "bot_profile_id", "position"),
)

test_questions = Table(
    "test_questions",
    playground_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("suite_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("case", JSONB, nullable=False),
    Column("chat_id", Text),
    Column("removed", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("questions_of_suite", "tenant_id", "suite_id", "position"),
    Index("questions_of_chat", "tenant_id", "chat_id"),
)
"""Those that were removed stay, for the runs that asked them."""

runs = Table(
    "runs",
    playground_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("bot_profile_id", Text, nullable=False),
    Column("suite_id", Text, nullable=False),
    Column("plan", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Index("runs_of_bot", "tenant_id", "bot_profile_id", "position"),
)

results = Table(
    "results",
    playground_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("question_id", Text, primary_key=True),
    Column("variant", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("chat_id", Text),
    Column("ending", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("refused", Boolean, nullable=False),
    Column("passages", JSONB, nullable=False),
    Column("scores", JSONB, nullable=False),
    Column("rating_reason", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("latency_ms", Float, nullable=False),
    Column("error", Text),
    Column("detail", Text),
    Column("judge_model", Text),
    Column("judge_prompt_tokens", Integer, nullable=False),
    Column("judge_completion_tokens", Integer, nullable=False),
    Column("judged", Boolean, nullable=False),
    Column("verdict", Text),
    Column("verdict_reason", Text, nullable=False),
    Index("results_of_run", "tenant_id", "run_id", "position"),
    Index("results_of_chat", "tenant_id", "chat_id"),
)
"""`position` is that of the last event about a result, `first_position` that of its first."""
