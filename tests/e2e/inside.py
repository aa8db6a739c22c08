"""Looks behind the public interface: the log, the read models, as an operator could."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import nats
from nats.js import api

READ_MODELS = ("gateway_identity", "ingest_sources", "chat_bots", "chat_chats", "chat_index")
OPERATIONAL = {"outcomes", "checkpoint", "collections"}
"""Tables that hold no facts: pruned, or different on purpose in every rebuild."""


def rows(data_dir: Path) -> dict[str, list[str]]:
    """Every row of every read model, in a canonical form."""
    return asyncio.run(_rows(data_dir))


def drop_read_models(data_dir: Path) -> None:
    asyncio.run(_drop(data_dir))


def facts(data_dir: Path) -> Counter[tuple[str, str]]:
    """How often each kind of event stands in the log, per aggregate: subject prefix and name."""
    return asyncio.run(_facts(data_dir))


async def _connect(data_dir: Path) -> asyncpg.Connection:
    secrets = json.loads((data_dir / "secrets.json").read_text())
    ports = json.loads((data_dir / "ports.json").read_text())
    return await asyncpg.connect(
        host="127.0.0.1",
        port=ports["postgres"],
        user="postgres",
        password=secrets["postgres_password"],
        database="minirag",
        ssl=False,
    )


async def _rows(data_dir: Path) -> dict[str, list[str]]:
    db = await _connect(data_dir)
    try:
        tables = await db.fetch(
            "select schemaname, tablename from pg_tables where schemaname = any($1::text[])",
            list(READ_MODELS),
        )
        found = {}
        for schema, table in tables:
            if table in OPERATIONAL:
                continue
            all_rows = await db.fetch(
                f'select to_jsonb(t)::text as row from "{schema}"."{table}" t'
            )
            found[f"{schema}.{table}"] = sorted(row["row"] for row in all_rows)
        return found
    finally:
        await db.close()


async def _drop(data_dir: Path) -> None:
    db = await _connect(data_dir)
    try:
        for schema in READ_MODELS:
            await db.execute(f'drop schema "{schema}" cascade')
    finally:
        await db.close()


async def _facts(data_dir: Path) -> Counter[tuple[str, str]]:
    secrets: dict[str, Any] = json.loads((data_dir / "secrets.json").read_text())
    ports = json.loads((data_dir / "ports.json").read_text())
    client = await nats.connect(
        f"nats://127.0.0.1:{ports['nats']}", user="minirag", password=secrets["nats_password"]
    )
    try:
        js = client.jetstream()
        config = api.ConsumerConfig(ack_policy=api.AckPolicy.NONE, name="test-facts")
        await js.add_consumer("EVENTS", config)
        reader = await js.pull_subscribe_bind(consumer="test-facts", stream="EVENTS")
        total = (await js.stream_info("EVENTS")).state.messages
        found: Counter[tuple[str, str]] = Counter()
        while sum(found.values()) < total:
            for message in await reader.fetch(500):
                prefix, name = message.subject.rsplit(".", 1)
                found[prefix, name] += 1
        await reader.unsubscribe()
        await js.delete_consumer("EVENTS", "test-facts")
        return found
    finally:
        await client.close()
