"""Looks behind the public interface: the log, the read models, as an operator could."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import nats
from nats.aio.client import Client
from nats.js import api
from pydantic import ValidationError

from shared.adapters.envelope import Codec, metadata_headers
from shared.adapters.event_log import Append, EventLog
from shared.adapters.vault import BUCKET, Keyring, Vault
from shared.cli import status
from shared.contracts.base import Metadata, Recorded
from shared.contracts.operations import GetHealth, ServiceHealth
from shared.contracts.scheduler import Rule, ScheduleFired, ScheduleSet
from shared.kernel.clock import utc_now
from shared.kernel.errors import Unavailable
from shared.kernel.ids import new_id
from shared.kernel.registry import REGISTRY
from shared.runtime import letters
from shared.runtime.bus import question_subject
from shared.runtime.process import SERVICES
from tests.harness import WAIT_SECONDS

READ_MODELS = (
    "gateway_audit",
    "gateway_erasures",
    "gateway_identity",
    "gateway_letters",
    "ingest_sources",
    "chat_bots",
    "chat_chats",
    "chat_index",
    "chat_spending",
    "chat_playground",
    "scheduler_schedules",
    "analytics_budgets",
    "analytics_rollups",
    "webhooks_endpoints",
    "webhooks_deliveries",
)
OPERATIONAL = {"outcomes", "checkpoint", "collections"}
"""Tables that hold no facts: pruned, or different on purpose in every rebuild."""
FETCH_SECONDS = 60.0
COMPARISONS = 10
LOOK_SECONDS = 0.2
SAY_AGAIN = """
with again as (
    insert into chat_chats.messages
    select copy.*
    from chat_chats.messages as said
    cross join generate_series(1, $3::int) as n
    cross join lateral jsonb_populate_record(
        said,
        jsonb_build_object(
            'id', gen_random_uuid(),
            'turn_id', gen_random_uuid(),
            'sequence', said.sequence + n,
            'content', format('This is answer number %s, ', n)
                || repeat('and it says a little more than that. ', 8)
        )
    ) as copy
    where said.tenant_id = $1 and said.chat_id = $2 and said.role = 'assistant'
)
update chat_chats.chats set message_count = message_count + $3 where tenant_id = $1 and id = $2
"""
"""For a tenant's chat, and a count."""
FALL_SILENT = """
with gone as (
    delete from chat_chats.messages as said
    where tenant_id = $1 and chat_id = $2
    and not exists (
        select from chat_chats.turns as turn
        where turn.tenant_id = $1 and turn.turn_id = said.turn_id
    )
    returning 1
)
update chat_chats.chats set message_count = message_count - (select count(*) from gone)
where tenant_id = $1 and id = $2
"""
"""Forgets what `SAY_AGAIN` made: answers of no turn."""


def rows(data_dir: Path) -> dict[str, list[str]]:
    """Every row of every read model, in a canonical form."""
    return asyncio.run(_rows(data_dir))


def drop_read_models(data_dir: Path) -> None:
    asyncio.run(_drop(data_dir))


def facts(data_dir: Path, tenant_id: str = "*") -> Counter[tuple[str, str]]:
    """How often each kind of event stands in the log, per aggregate: subject prefix and name. Of
    one tenant that takes a moment, of all as long as the log.
    """
    return asyncio.run(_facts(data_dir, tenant_id))


def history(data_dir: Path) -> list[Recorded[Any]]:
    """Every event of the log, read as the services read it."""
    return asyncio.run(_history(data_dir))


def given_up(data_dir: Path) -> int:
    """How many messages were given up."""
    return asyncio.run(_given_up(data_dir))


def rebuild(data_dir: Path, *models: str) -> None:
    """Have read models made anew, all at once, as `minirag rebuild` has one."""
    asyncio.run(_rebuild(data_dir, models))


def remade(data_dir: Path, *models: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """All rows, and the same after read models were made anew, of one and the same log.

    A use of a token is told some seconds later, and then both are taken once more.
    """
    for _ in range(COMPARISONS):
        began = asyncio.run(_last_sequence(data_dir))
        before = rows(data_dir)
        rebuild(data_dir, *models)
        after = rows(data_dir)
        if asyncio.run(_last_sequence(data_dir)) == began:
            return before, after
    raise AssertionError("there was always something new in the log")


def busy(data_dir: Path) -> list[str]:
    """What has not come to rest: consumers with messages, read models that are behind."""
    return asyncio.run(_busy(data_dir))


@contextmanager
def talkative(data_dir: Path, tenant_id: str, chat: str, count: int) -> Iterator[None]:
    """A chat whose only answer stands in its rows so many times more, until the block ends.

    Events for all of them would keep every service busy for minutes, and whoever reads the rows
    sees no difference.
    """
    asyncio.run(_execute(data_dir, (SAY_AGAIN, tenant_id, chat, count)))
    try:
        yield
    finally:
        asyncio.run(_execute(data_dir, (FALL_SILENT, tenant_id, chat)))


def make_due(data_dir: Path, tenant_id: str, source: str, *, seconds: float) -> None:
    """Append to the log that a source with a weekly schedule is due in so many seconds."""
    asyncio.run(_make_due(data_dir, tenant_id, source, seconds))


def fire(data_dir: Path, tenant_id: str, schedule: str, *, days: int) -> None:
    """Append to the log that a daily schedule's time has come, so many days from now."""
    asyncio.run(_fire(data_dir, tenant_id, schedule, days))


def letters_of(data_dir: Path, tenant_id: str) -> int:
    """How many dead letters of a tenant lie there."""
    return asyncio.run(_letters_of(data_dir, tenant_id))


def plant(data_dir: Path, tenant_id: str) -> None:
    """Send a command that nobody takes."""
    asyncio.run(_plant(data_dir, tenant_id))


def publish(data_dir: Path, tenant_id: str, subject: str, body: bytes) -> None:
    """Send a message of a tenant, as a service would."""
    asyncio.run(_publish(data_dir, tenant_id, subject, body))


async def connect(data_dir: Path) -> asyncpg.Connection:
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
    db = await connect(data_dir)
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
    db = await connect(data_dir)
    try:
        for schema in READ_MODELS:
            await db.execute(f'drop schema "{schema}" cascade')
    finally:
        await db.close()


async def _broker(data_dir: Path) -> Client:
    secrets: dict[str, Any] = json.loads((data_dir / "secrets.json").read_text())
    ports = json.loads((data_dir / "ports.json").read_text())
    return await nats.connect(
        f"nats://127.0.0.1:{ports['nats']}", user="minirag", password=secrets["nats_password"]
    )


async def _publish(data_dir: Path, tenant_id: str, subject: str, body: bytes) -> None:
    client = await _broker(data_dir)
    try:
        headers = metadata_headers(_metadata(tenant_id))
        await client.jetstream().publish(subject, body, headers=headers)
    finally:
        await client.close()


async def _execute(data_dir: Path, *statements: tuple[Any, ...]) -> None:
    """Each statement with its values; all or none."""
    db = await connect(data_dir)
    try:
        async with db.transaction():
            for statement, *values in statements:
                await db.execute(statement, *values)
    finally:
        await db.close()


async def _make_due(data_dir: Path, tenant_id: str, source: str, seconds: float) -> None:
    async with _log(data_dir) as event_log:
        last = await event_log.last_sequence_of(tenant_id, "schedule", source)
        event = ScheduleSet(
            schedule_id=source,
            rule=Rule(every="weekly"),
            as_of=last,
            next_at=utc_now() + timedelta(seconds=seconds),
        )
        await event_log.append([Append(event, last)], _metadata(tenant_id))


async def _fire(data_dir: Path, tenant_id: str, schedule: str, days: int) -> None:
    async with _log(data_dir) as event_log:
        slot = utc_now() + timedelta(days=days)
        event = ScheduleFired(
            schedule_id=schedule,
            rule=Rule(every="daily"),
            slot=slot,
            next_at=slot + timedelta(days=1),
        )
        await event_log.append([Append(event, None)], _metadata(tenant_id))


async def _history(data_dir: Path) -> list[Recorded[Any]]:
    async with _log(data_dir) as event_log:
        return [one async for batch in event_log.history(0, ["evt.>"]) for one in batch]


async def _plant(data_dir: Path, tenant_id: str) -> None:
    client = await _broker(data_dir)
    try:
        subject = f"cmd.{tenant_id}.source.{new_id()}.dance"
        headers = metadata_headers(_metadata(tenant_id))
        await client.jetstream().publish(subject, b"{}", stream="CMDS", headers=headers)
    finally:
        await client.close()


async def _rebuild(data_dir: Path, models: Sequence[str]) -> None:
    async with asyncio.TaskGroup() as rebuilds:
        for model in models:
            rebuilds.create_task(_rebuilt(data_dir, model))


async def _rebuilt(data_dir: Path, model: str) -> None:
    """Ask again while its owner does not answer, as on a machine that is busy."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + WAIT_SECONDS
    while True:
        try:
            return await status.rebuild(data_dir, model)
        except Unavailable:
            if loop.time() > patience:
                raise
            await asyncio.sleep(LOOK_SECONDS)


async def _letters_of(data_dir: Path, tenant_id: str) -> int:
    client = await _broker(data_dir)
    try:
        return len([letter async for letter in letters.of_tenant(client, tenant_id)])
    finally:
        await client.close()


async def _given_up(data_dir: Path) -> int:
    client = await _broker(data_dir)
    try:
        return int((await client.jetstream().stream_info("DLQ")).state.messages)
    finally:
        await client.close()


async def _last_sequence(data_dir: Path) -> int:
    client = await _broker(data_dir)
    try:
        return int((await client.jetstream().stream_info("EVENTS")).state.last_seq)
    finally:
        await client.close()


async def _busy(data_dir: Path) -> list[str]:
    try:
        client = await _broker(data_dir)
    except (nats.errors.Error, OSError) as error:
        return [repr(error)]
    try:
        found = []
        for stream in ("CMDS", "JOBS", "EVENTS", "SCHED"):
            for consumer in await client.jetstream().consumers_info(stream):
                # Readers take no acknowledgements, and those of killed processes linger.
                counts = (consumer.num_pending, consumer.num_ack_pending)
                if consumer.config.ack_policy != api.AckPolicy.NONE and any(counts):
                    found += [f"{stream} {consumer.name} {counts}"]
        for service in SERVICES:
            reply = await client.request(
                question_subject(service, GetHealth.name),
                GetHealth().model_dump_json().encode(),
                timeout=5,
                headers={**metadata_headers(_metadata("_")), "content-type": "application/json"},
            )
            health = ServiceHealth.model_validate_json(reply.data)
            found += [model.name for model in health.read_models if model.lag]
    except (nats.errors.Error, TimeoutError, ValidationError) as error:
        return [repr(error)]  # away, or with a problem in the place of an answer
    else:
        return found
    finally:
        await client.close()


@asynccontextmanager
async def _log(data_dir: Path) -> AsyncIterator[EventLog]:
    client = await _broker(data_dir)
    try:
        bucket = await client.jetstream().key_value(BUCKET)
        key = json.loads((data_dir / "secrets.json").read_text())["vault_key"]
        yield EventLog(client, Codec(Vault(bucket, Keyring.parse(key)), REGISTRY), "test")
    finally:
        await client.close()


def _metadata(tenant_id: str) -> Metadata:
    command = new_id()
    return Metadata(tenant_id=tenant_id, message_id=command, correlation_id=command, now=utc_now())


async def _facts(data_dir: Path, tenant_id: str) -> Counter[tuple[str, str]]:
    client = await _broker(data_dir)
    try:
        js = client.jetstream()
        config = api.ConsumerConfig(
            ack_policy=api.AckPolicy.NONE,
            name=f"test-{new_id()}",
            filter_subject=f"evt.{tenant_id}.>",
            headers_only=True,
        )
        reading = await js.add_consumer("EVENTS", config)
        reader = await js.pull_subscribe_bind(consumer=reading.name, stream="EVENTS")
        found: Counter[tuple[str, str]] = Counter()
        while found.total() < (reading.num_pending or 0):
            for message in await reader.fetch(500, timeout=FETCH_SECONDS):
                prefix, name = message.subject.rsplit(".", 1)
                found[prefix, name] += 1
        await reader.unsubscribe()
        await js.delete_consumer("EVENTS", reading.name)
        return found
    finally:
        await client.close()
