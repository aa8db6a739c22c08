"""One operating-system process with one service or several."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any

import uvloop
from pydantic import ValidationError

from shared.kernel.errors import Unusable
from shared.runtime import faults, logs, probes, tracing
from shared.runtime.heartbeat import beat
from shared.runtime.neighbours import Neighbours
from shared.runtime.platform import Platform
from shared.runtime.service import Service
from shared.runtime.settings import ServiceSettings, complaints
from shared.telemetry.spans import SERVICE

log = logging.getLogger(__name__)

SERVICES = ("ingest", "chat", "scheduler", "analytics", "webhooks", "gateway")
"""The gateway starts last: when its door opens, the others are behind it."""
YOUNG = 10_000
"""New objects after which they are looked through. A turn makes more than the 700 of Python's own
choice at each step, and hardly any of them refer to each other in a circle."""
SETTLED_SECONDS = 30.0
"""After the last service serves: by then what is made at first use is mostly there."""
EXIT_UNUSABLE = 78
"""`EX_CONFIG` of sysexits.h: starting again will not help."""


def main(names: Sequence[str]) -> None:
    """Run the named services, or `all`, until SIGTERM or SIGINT; exits the process."""
    wanted = SERVICES if list(names) == ["all"] else tuple(names)
    logs.configure("INFO")
    try:
        uvloop.run(_run(wanted))
    except* (Unusable, ValidationError) as errors:
        for line in reasons(errors):
            print(f"minirag: {line}", file=sys.stderr)  # noqa: T201  the operator reads this
        sys.exit(EXIT_UNUSABLE)


def reasons(error: BaseException) -> Iterator[str]:
    """What is wrong, a line each; of settings, the variable and what is wrong with it."""
    match error:
        case BaseExceptionGroup():
            for inner in error.exceptions:
                yield from reasons(inner)
        case ValidationError():
            yield from complaints(error)
        case _:
            yield str(error)


async def _run(names: Sequence[str]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for received in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(received, stopping.set)
    modules = {name: import_module(f"services.{name}.main") for name in names}
    _spare_what_there_is()
    settings: dict[str, ServiceSettings] = {
        name: module.Settings() for name, module in modules.items()
    }
    for read in settings.values():
        logs.configure(read.log_level)
    faults.arm(settings)
    async with asyncio.TaskGroup() as background, AsyncExitStack() as stack:
        tracing.arm(settings.values(), stack)
        # From before the broker is reached until the last stream has drained.
        files = {read.heartbeat_file for read in settings.values() if read.heartbeat_file}
        beating = [background.create_task(beat(file)) for file in files]
        services: list[Service] = []
        neighbours = Neighbours()

        async def build() -> None:
            for name, module in modules.items():
                platform = await Platform.open(name, settings[name], stack, neighbours)
                services.append(await module.build(settings[name], platform, stack))

        ports = {(read.probe_host, read.probe_port) for read in settings.values()}
        watching = [
            background.create_task(probes.serve(host, port, len(modules), services, stopping))
            for host, port in ports
            if port is not None
        ]
        if await _finished(build(), stopping):
            _spare_what_there_is()
            closed = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                for service in services:
                    tasks.create_task(_running(service, stopping, closed))
                for service in services:
                    await service.served.wait()
                closed.set()
                loop.call_later(SETTLED_SECONDS, _spare_what_has_come)
        for task in (*beating, *watching):
            task.cancel()
    log.info("process stopped", extra={"services": list(names)})


def _spare_what_there_is() -> None:
    """Look for garbage among what comes from now on.

    All services together are some 240,000 objects that stay for good; to go through them all, as
    happened in the middle of answers, holds everybody up for 70 ms and more.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
    gc.enable()


def _spare_what_has_come() -> None:
    """As above, of what was made at first use; what was garbage by then goes first."""
    gc.collect(1)
    _spare_what_there_is()


async def _running(service: Service, stopping: asyncio.Event, closed: asyncio.Event) -> None:
    # In this task and those that it makes.
    SERVICE.set(service.name)
    await service.run(stopping, closed)


async def _finished(work: Coroutine[Any, Any, None], stopping: asyncio.Event) -> bool:
    """Do `work`, which may wait for a broker for ever; False if it was told to stop before."""
    working = asyncio.ensure_future(work)
    told = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        working.result()
        return True
    finally:
        for task in (working, told):
            task.cancel()
        await asyncio.gather(working, told, return_exceptions=True)
