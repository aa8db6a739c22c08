"""The tables every read model has beside its own, and how they are written."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, func, null
from sqlalchemy.dialects.postgresql import JSONB, Insert

from shared.adapters.bulk import many

KERNEL_TABLES = ("aggregates", "outcomes", "checkpoint")


def add_kernel_tables(tables: MetaData) -> None:
    """Add them, once."""
    if "aggregates" in tables.tables:
        return
    Table(
        "aggregates",
        tables,
        Column("tenant_id", Text, primary_key=True),
        Column("aggregate", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("state", JSONB(none_as_null=True)),
    )
    Table(
        "outcomes",
        tables,
        Column("command_id", Text, primary_key=True),
        Column("tenant_id", Text, nullable=False),
        Column("position", BigInteger),
        Column("refusal", JSONB(none_as_null=True)),
        Column("at", DateTime(timezone=True), nullable=False, index=True),
    )
    Table(
        "checkpoint",
        tables,
        Column("only_row", Integer, primary_key=True),
        Column("version", Integer, nullable=False),
        Column("log_identity", Text, nullable=False),
        Column("position", BigInteger, nullable=False),
    )


def storing(aggregates: Table, outcomes: Table) -> Insert:
    """Both in one statement, as both come of every decision."""
    states = many(aggregates, ("tenant_id", "aggregate", "id", "version", "state"))
    stored = states.on_conflict_do_update(
        index_elements=["tenant_id", "aggregate", "id"],
        set_={"version": states.excluded.version, "state": states.excluded.state},
    )
    ends = many(outcomes, ("command_id", "tenant_id", "position", "at"))
    return ends.on_conflict_do_update(
        index_elements=["command_id"],
        set_={
            "position": func.greatest(outcomes.c.position, ends.excluded.position),
            "refusal": null(),  # it was given up, but its event is stored after all
        },
    ).add_cte(stored.cte("stored"))
