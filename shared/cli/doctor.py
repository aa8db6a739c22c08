"""`minirag doctor`: looks at everything an operator would look at, and says what is not well.

It changes nothing. What it finds is `ok`, a `warning` to look after, or an `error`.
"""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import nats.errors
import orjson
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from shared.adapters.event_log import STREAM as LOG
from shared.adapters.topology import RESERVED_BYTES, STREAMS, differences
from shared.cli.status import Operator, operator
from shared.contracts.operations import ServiceHealth
from shared.embedded import loopback
from shared.embedded.data_dir import DataDir
from shared.embedded.log_guard import LogGuard
from shared.embedded.nats_server import largest_store
from shared.embedded.surroundings import SERVICES
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError

FREE_SHARE: Final = 0.1
FREE_BYTES: Final = 2 * 10**9
"""A disk with less of both than this is a matter of days."""
LAG_EVENTS: Final = 1000
WAITING: Final = 10_000
SKEW_SECONDS: Final = 2.0
PRIVATE: Final = 0o077
Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing does."""

    what: str
    status: Status
    detail: str = ""


async def examine(data_dir: Path, *, as_json: bool) -> bool:
    """Tell every finding; True if none is an error."""
    findings = [*await asyncio.to_thread(lambda: list(_at_rest(DataDir(data_dir))))]
    findings += [one async for one in _running(data_dir)]
    well = not any(one.status == "error" for one in findings)
    if as_json:
        told = {"ok": well, "findings": [asdict(one) for one in findings]}
        _say(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        for one in findings:
            _say(f"{one.status:8} {one.what:24} {one.detail}".rstrip())
    return well


def _at_rest(home: DataDir) -> Iterator[Finding]:
    """What can be told of a data directory on which nothing runs."""
    if not home.path.is_dir():
        yield Finding("data directory", "error", f"{home.path} is not there")
        return
    disk = shutil.disk_usage(home.path)
    low = disk.free < FREE_BYTES and disk.free < disk.total * FREE_SHARE
    free = f"{disk.free / 1e9:.1f} GB of {disk.total / 1e9:.1f} GB free"
    yield Finding("disk", "warning" if low else "ok", free)
    store = home.nats / "store"
    if store.is_dir():
        yield room(largest_store(store), shutil.disk_usage(store).free)
    yield _secrets(home)
    guard = LogGuard(home.nats / "store", home.nats / "log-guard.json")
    try:
        damage = guard.check()
    except MiniRagError as error:
        damage = str(error)
    yield Finding("files of the log", "error" if damage else "ok", damage or "as they were written")


def room(limit: int, free: int) -> Finding:
    """Whether the broker's streams can be made, where so many bytes may be used in all, and find
    what they may still take, where so many are free.
    """
    wanted = f"its streams may take {RESERVED_BYTES / 1e9:.1f} GB beside the log"
    if limit < RESERVED_BYTES:
        there = f"only {limit / 1e9:.1f} GB can be used and {wanted}"
        return Finding("room of the broker", "error", f"{there}: services will not start")
    if free < RESERVED_BYTES:
        there = f"only {free / 1e9:.1f} GB are free and {wanted}"
        return Finding("room of the broker", "warning", f"{there}: writing will be refused")
    return Finding("room of the broker", "ok", f"{limit / 1e9:.1f} GB in all")


def _secrets(home: DataDir) -> Finding:
    try:
        orjson.loads(home.secrets.read_bytes())
        mode = home.secrets.stat().st_mode
    except (OSError, ValueError) as error:
        return Finding("secrets.json", "error", f"cannot be read: {error}")
    if mode & PRIVATE:
        return Finding("secrets.json", "error", "others can read it: chmod 600")
    return Finding("secrets.json", "ok")


async def _running(data_dir: Path) -> AsyncIterator[Finding]:
    try:
        async with operator(data_dir) as it:
            began = time.perf_counter()
            await it.client.flush()
            yield Finding(
                "broker", "ok", f"answers in {(time.perf_counter() - began) * 1000:.1f} ms"
            )
            yield await _syncing(DataDir(data_dir))
            async for found in _streams(it.client):
                yield found
            async for found in _services(it):
                yield found
    except (MiniRagError, ValueError, OSError, nats.errors.Error, TimeoutError) as error:
        yield Finding("broker", "error", str(error) or repr(error))


async def _syncing(home: DataDir) -> Finding:
    try:
        monitor = orjson.loads(await asyncio.to_thread(home.ports.read_bytes))["nats_monitor"]
        told = orjson.loads((await loopback.get(monitor, "/varz")).body)
        synced = told["jetstream"]["config"].get("sync_always") is True
    except (OSError, ValueError, KeyError) as error:
        return Finding("syncing", "error", f"the broker does not tell: {error!r}")
    lazy = "a power cut loses what the broker acknowledged"
    return Finding("syncing", "ok" if synced else "error", "every write" if synced else lazy)


async def _streams(client: Client) -> AsyncIterator[Finding]:
    js = client.jetstream()
    for wanted in STREAMS:
        name = wanted.name or ""
        try:
            info = await js.stream_info(name)
        except NotFoundError:
            yield Finding(f"stream {name}", "error", "it is missing")
            continue
        state = info.state
        changed = [
            one for one in differences(wanted, info.config) if not one.startswith("num_replicas")
        ]
        holes = state.last_seq - state.messages if name == LOG else 0
        told = f"{state.messages} messages, {state.bytes / 1e6:.1f} MB"
        if holes:
            yield Finding(f"stream {name}", "error", f"{holes} events are missing in it")
        elif changed:
            yield Finding(f"stream {name}", "error", f"is otherwise: {'; '.join(changed)}")
        elif name == "DLQ" and state.messages:
            yield Finding(f"stream {name}", "warning", f"{state.messages} dead letters")
        else:
            yield Finding(f"stream {name}", "ok", told)
        for consumer in await js.consumers_info(name):
            if consumer.config.durable_name and (consumer.num_pending or 0) > WAITING:
                waiting = f"{consumer.num_pending} messages wait"
                yield Finding(f"consumer {consumer.name}", "warning", waiting)
    yield await _clock(client)


async def _clock(client: Client) -> Finding:
    """The broker's against ours: times of events come from many machines."""
    reply = await client.request(f"$JS.API.STREAM.INFO.{LOG}", b"", timeout=5)
    stamp: str = orjson.loads(reply.data)["ts"]
    there = datetime.fromisoformat(f"{stamp[:19]}+00:00")
    skew = abs((utc_now() - there).total_seconds())
    status: Status = "warning" if skew > SKEW_SECONDS else "ok"
    return Finding("clock", status, f"{skew:.0f} s from the broker's")


async def _services(it: Operator) -> AsyncIterator[Finding]:
    parts: dict[str, Any] = {}
    for service in SERVICES:
        found = await it.health(service)
        yield _service(service, found)
        if found is None:
            continue
        parts |= found.parts
        for model in found.read_models:
            behind = model.lag > LAG_EVENTS
            told = f"at {model.position}" + (f", {model.lag} behind" if model.lag else "")
            yield Finding(f"read model {model.name}", "warning" if behind else "ok", told)
    for name, state in parts.items():
        yield Finding(name, "ok" if state.startswith("ok") else "error", state.removeprefix("ok "))


def _service(name: str, found: ServiceHealth | None) -> Finding:
    if found is None:
        return Finding(f"service {name}", "error", "does not answer")
    if found.status != "ok":
        return Finding(f"service {name}", "error", found.detail or found.status)
    return Finding(f"service {name}", "ok")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
