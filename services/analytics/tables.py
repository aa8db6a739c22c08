"""Rollups; disposable, rebuilt from the log. What a question costs does not grow with history."""

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
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()


def _rollup(name: str, *key: Column[str] | Column[int], counts: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        Column("tenant_id", Text, primary_key=True),
        *key,
        *(Column(count, BigInteger, nullable=False) for count in counts),
    )


def _text(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _number(name: str) -> Column[int]:
    return Column(name, Integer, primary_key=True)


totals = _rollup("totals", counts=("bot_profiles", "sources", "chats"))
usage = _rollup(
    "usage",
    _number("day"),
    _text("bot_profile_id"),
    _text("model"),
    counts=("prompt_tokens", "completion_tokens", "request_count"),
)
"""`day` counts from 1970-01-01, in UTC, here and below."""
feedback = _rollup(
    "feedback",
    _number("day"),
    _text("bot_profile_id"),
    counts=("answers", "positive", "negative"),
)
usage_slots = _rollup(
    "usage_slots",
    _number("slot"),
    _text("bot_profile_id"),
    _text("model"),
    counts=("prompt_tokens", "completion_tokens", "request_count"),
)
"""The same by quarters of an hour since 1970-01-01: days of other time zones are made of them."""
feedback_slots = _rollup(
    "feedback_slots",
    _number("slot"),
    _text("bot_profile_id"),
    counts=("answers", "positive", "negative"),
)
waits = _rollup(
    "waits",
    _number("day"),
    _text("bot_profile_id"),
    _text("stage"),
    _number("bucket"),
    counts=("count",),
)
waits_slots = _rollup(
    "waits_slots",
    _number("slot"),
    _text("bot_profile_id"),
    _text("stage"),
    _number("bucket"),
    counts=("count",),
)
cited = _rollup("cited", _text("source_id"), counts=("answers", "positive", "negative"))

names = Table(
    "names",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
)
"""Of bots and sources."""
answers = Table(
    "answers",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("slot", Integer, nullable=False),
)
"""When an answer was given: feedback on it counts for that time."""
answer_sources = Table(
    "answer_sources",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
)
open_questions = Table(
    "open_questions",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("turn_id", Text, primary_key=True),
    Column("question", Text, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
)
"""Until the turn ends."""
unanswered = Table(
    "unanswered",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("turn_id", Text, nullable=False),
    Column("chat_id", Text, nullable=False),
    Column("bot_profile_id", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("best_score", Float, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Index("unanswered_listed", "tenant_id", "position"),
)
"""`id` is that of the message that refused."""

budgets_metadata = MetaData()

budgets = Table(
    "budgets",
    budgets_metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("bot_profile_id", Text),
    Column("period", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("limit", Float, nullable=False),
    Column("thresholds", JSONB, nullable=False),
    Column("hard_stop", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("budgets_listed", "tenant_id", "position"),
)
