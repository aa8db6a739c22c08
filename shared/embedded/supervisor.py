"""Keeps two servers and the services running on one data directory, and stops them in order."""

import asyncio
import json
import os
import resource
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, getsignal

from shared.embedded import loopback
from shared.embedded.child import Child, Launch
from shared.embedded.data_dir import DataDir, write_private
from shared.embedded.keeping import EXIT_UNUSABLE, Part, keep, mirror
from shared.embedded.nats_server import OutsideDoor
from shared.embedded.patience import stop_seconds
from shared.embedded.ports import LOOPBACK, first_free
from shared.embedded.servers import Say, Servers
from shared.embedded.surroundings import SERVICES, inherited, service_environment
from shared.kernel.clock import utc_now
from shared.kernel.errors import MiniRagError, Unusable

READY_LOOK_SECONDS = 0.1
HEALTH_SECONDS = 5.0
"""The gateway asks every service, and waits a little for each."""
READY_PATIENCE_SECONDS = 60.0
OPEN_FILES = 65_536
"""Every streamed answer holds a connection."""

EXIT_FAILED, EXIT_FORCED = 1, 130

FirstUse = Callable[[Path, str, Say], Awaitable[None]]
"""Is given the data directory, the gateway's URL and a way to tell what it does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and where."""

    data_dir: Path
    command: Sequence[str]
    """Runs the services whose names are appended to it, or `all`."""
    host: str = LOOPBACK
    port: int = 8000
    isolated: bool = False
    """A process for every service, instead of one for all."""
    verbose: bool = False
    """Show what the children log."""
    subscribers_port: int | None = None
    """Where subscribers from outside reach the broker on `host`; None: not at all."""
    ask: str = "minirag ask"
    """What a person types to ask this installation, without the question."""


class Told(Exception):
    """Somebody wants us to stop."""


class Supervisor:
    """One run of the embedded stack."""

    def __init__(self, plan: Plan, say: Say, first_use: FirstUse | None = None) -> None:
        """`say` gets one line per stage; `first_use` is called whenever the gateway gets ready
        after a start, and decides itself whether there is something to do.
        """
        self._plan = plan
        self._say = say
        self._first_use = first_use
        self._home = DataDir(plan.data_dir)
        self._stopping = asyncio.Event()
        self._forced = False
        self._servers: Servers | None = None
        self._services: list[Child] = []
        self._ports: dict[str, int] = {}
        self._noting = asyncio.Lock()

    async def run(self) -> int:
        """Run until SIGINT, SIGTERM or SIGHUP; a second one stops without asking.

        Returns the exit code: 0 after an orderly stop.
        """
        try:
            await asyncio.to_thread(self._home.acquire)
        except Unusable as error:
            self._say(str(error))
            return EXIT_UNUSABLE
        loop = asyncio.get_running_loop()
        # Whoever started us under nohup wants us to outlive the terminal.
        signals = [SIGINT, SIGTERM, *([] if getsignal(SIGHUP) is SIG_IGN else [SIGHUP])]
        for received in signals:
            loop.add_signal_handler(received, self._signalled)
        code = 0
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._until_told())
                tasks.create_task(self._live())
        except* Told:
            pass
        except* (MiniRagError, OSError) as errors:
            reasons = list(_leaves(errors))
            for reason in reasons:
                self._say(str(reason))
            unusable = any(isinstance(reason, Unusable) for reason in reasons)
            code = EXIT_UNUSABLE if unusable else EXIT_FAILED
        finally:
            await self._stop()
            for received in signals:
                loop.remove_signal_handler(received)
            self._home.release()
        return EXIT_FORCED if self._forced else code

    def _signalled(self) -> None:
        if self._stopping.is_set():
            self._forced = True
            for child in self._children():
                child.kill()
        self._stopping.set()

    async def _until_told(self) -> None:
        await self._stopping.wait()
        raise Told

    async def _live(self) -> None:
        _allow_open_files()
        servers = self._servers = await asyncio.to_thread(self._made)
        if servers.ended:
            self._say(f"ended what a killed run had left: {', '.join(servers.ended)}")
        await servers.start(self._say)
        self._ports = {
            "nats": servers.nats.port,
            "nats_monitor": servers.nats.monitor,
            "postgres": servers.postgres.port,
        }
        plan = self._plan
        port = first_free(plan.port, plan.host)
        if port != plan.port:
            self._say(f"port {plan.port} is taken; the gateway listens on {port} instead")
            self._plan = replace(plan, port=port)
        parts = [
            Part(servers.nats.child, servers.nats.start),
            Part(servers.postgres.child, servers.postgres.start),
            *self._service_parts(servers),
        ]
        for part in parts[2:]:
            await part.start()
        await self._note()
        names = ", ".join(child.name for child in self._services)
        self._say(f"started {names}; logs are in {self._home.logs}")
        async with asyncio.TaskGroup() as tasks:
            for part in parts:
                tasks.create_task(keep(part, self._say, self._note))
                if plan.verbose:
                    tasks.create_task(mirror(part.child))
            tasks.create_task(servers.nats.watch())
            tasks.create_task(servers.nats.guard(self._say))
            tasks.create_task(self._greet())

    def _made(self) -> Servers:
        port = self._plan.subscribers_port
        outside = None if port is None else OutsideDoor(self._plan.host, port)
        return Servers(self._home, outside=outside)

    def _service_parts(self, servers: Servers) -> Iterator[Part]:
        plan = self._plan
        for name in SERVICES if plan.isolated else ("services",):
            service = name if plan.isolated else None
            child = Child(name, self._home)
            env = service_environment(
                self._home,
                servers.secrets,
                nats_url=servers.nats_url,
                host=plan.host,
                port=plan.port,
                database_url=servers.database_url,
                service=service,
            )
            launch = Launch([*plan.command, service or "all"], env)
            self._services.append(child)
            yield Part(child, partial(child.start, launch))

    async def _greet(self) -> None:
        """Wait until all is well, see to the first use, and tell how to go on."""
        waited = 0.0
        while not await self._all_well():
            await asyncio.sleep(READY_LOOK_SECONDS)
            waited += READY_LOOK_SECONDS
            if waited > READY_PATIENCE_SECONDS:
                self._say(f"the gateway is not ready yet; {self._home.logs} may tell why")
                waited = 0.0
        self._say("gateway ready")
        if self._first_use is not None:
            try:
                await self._first_use(self._home.path, self._url, self._say)
            except Exception as error:  # noqa: BLE001  what runs is more than what could not be added
                self._say(f"the demo could not be made, the next start tries again: {error!r}")
        self._say(
            f"MiniRAG is ready\n"
            f"\n"
            f"    API         {self._url}\n"
            f"    Dashboard   {self._url}/dashboard\n"
            f"    Demo        {self._url}/demo\n"
            f"    Reference   {self._url}/docs\n"
            f'    Ask         {self._plan.ask} "What happens if a service crashes?"\n'
            f"\n"
            f"    Ctrl-C stops it; the data stays in {self._home.path}\n"
        )

    async def _all_well(self) -> bool:
        plan = self._plan
        try:
            answer = await loopback.get(
                plan.port,
                "/v1/system/health",
                host=loopback.reachable(plan.host),
                seconds=HEALTH_SECONDS,
            )
            return bool(json.loads(answer.body)["status"] == "ok")
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def _url(self) -> str:
        host = loopback.reachable(self._plan.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._plan.port}"

    async def _note(self) -> None:
        """Tell other commands where everything is. Holds no secret."""
        async with self._noting:
            body = {
                "url": self._url,
                "pid": os.getpid(),
                "pids": {child.name: child.pid for child in self._children()},
                "ports": {"gateway": self._plan.port, **self._ports},
                "noted_at": utc_now().isoformat(),
            }
            # On a full disk, an outdated note is the least of worries.
            with suppress(OSError):
                await asyncio.to_thread(write_private, self._home.run, json.dumps(body).encode())

    def _children(self) -> Iterator[Child]:
        if self._servers is not None:
            yield self._servers.nats.child
            yield self._servers.postgres.child
        yield from self._services

    async def _stop(self) -> None:
        """Services first, so that they can finish what they have; then what they wrote to."""
        if any(child.running for child in self._children()):
            self._say("stopping; once more to stop at once")
        patience = stop_seconds(inherited())
        async with asyncio.TaskGroup() as stopping:
            for child in self._services:
                stopping.create_task(child.stop((SIGTERM, patience)))
        if self._servers is not None:
            await self._servers.stop()
            self._say("stopped")
        await asyncio.to_thread(self._home.run.unlink, missing_ok=True)


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
