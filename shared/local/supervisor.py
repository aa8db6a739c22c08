"""`minirag up`: starts everything, starts again what dies, and stops it all in order."""

import asyncio
import contextlib
import fcntl
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import orjson

from shared.kernel.errors import Unusable
from shared.local.processes import Child, end_leftovers, free_port, start_child
from shared.local.secrets import SERVICES, write_private
from shared.local.stack import Stack

STOP_SERVICES = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))
WATCH_SECONDS = 0.2
UNHEALTHY_SECONDS = 10.0
FIRST_DELAY, LAST_DELAY = 0.2, 5.0
STEADY_SECONDS = 30.0
READY_SECONDS = 60.0
EXIT_UNUSABLE = 78
RUN_FILE = "run.json"

Say = Callable[[str], None]
Command = Callable[[str], Sequence[str]]
AfterStart = Callable[[Path, str, Say], Awaitable[None]]


def service_command(name: str) -> Sequence[str]:
    """How a child process with one service, or `all`, is started."""
    return [sys.executable, "-m", "shared.cli.app", "run", name]


class Server(Protocol):
    """A backing server of the stack."""

    name: str

    async def start(self) -> Child: ...

    async def stop(self, child: Child) -> None: ...

    async def healthy(self) -> bool: ...


class ServiceProcess:
    """A child process with services in it."""

    def __init__(
        self, name: str, command: Sequence[str], stack: Stack, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self._command = command
        self._stack = stack
        self._env = env

    async def start(self) -> Child:
        return start_child(self.name, self._command, self._stack.data_dir, env=self._env)

    async def stop(self, child: Child) -> None:
        await child.stop(STOP_SERVICES)

    async def healthy(self) -> bool:
        return True


@dataclass
class Watched:
    """A member of the tree, and how often it had to be started again."""

    server: Server
    child: Child
    started: float = field(default_factory=time.monotonic)
    delay: float = FIRST_DELAY
    sick_since: float | None = None
    looked: float = 0.0


class Supervisor:
    """One data directory, one tree of processes."""

    def __init__(
        self,
        data_dir: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        isolated: bool = False,
        command: Command = service_command,
        after_start: AfterStart | None = None,
        say: Say = print,
    ) -> None:
        self._data_dir = data_dir
        self._host = host
        self._port = port
        self._names = SERVICES if isolated else ("all",)
        self._command = command
        self._after_start = after_start
        self._say = say
        self._began = time.monotonic()
        self._watched: list[Watched] = []
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises `Unusable` if it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        with only_one(self._data_dir):
            for name in end_leftovers(self._data_dir):
                self._stage(f"ended {name}, left over from a start that was killed")
            try:
                stack = await self._start()
                await self._serve(stack)
            finally:
                await self._stop()

    async def _start(self) -> Stack:
        stack = Stack.of(self._data_dir)
        self._watched.append(Watched(stack.nats, await stack.nats.start()))
        self._stage("event log ready (nats-server, synced on every write)")
        self._watched.append(Watched(stack.postgres, await stack.postgres.start()))
        self._stage("read models ready (Postgres)")
        port = free_port(self._port)
        if port != self._port:
            self._stage(f"port {self._port} is taken; using {port}")
        env = stack.service_env(self._host, port)
        for name in self._names:
            label = "services" if name == "all" else name
            process = ServiceProcess(label, self._command(name), stack, env)
            self._watched.append(Watched(process, await process.start()))
        self._port = port
        self._write_run_file(stack)
        return stack

    async def _serve(self, stack: Stack) -> None:
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._watch())
            ready = tasks.create_task(self._announce(stack))
            await self._stopping.wait()
            watch.cancel()
            ready.cancel()

    async def _announce(self, stack: Stack) -> None:
        url = f"http://{self._host}:{self._port}"
        while not await asyncio.to_thread(_answers, f"{url}/readyz"):  # noqa: ASYNC110  HTTP
            await asyncio.sleep(0.1)
        self._stage(f"{len(SERVICES)} services ready")
        if self._after_start is not None:
            try:
                await self._after_start(stack.data_dir, url, self._stage)
            except Exception as error:  # noqa: BLE001  the product runs without its demo
                self._stage(f"the demo could not be made: {error}")
        self._say("")
        self._say(f"MiniRAG is ready at {url}")
        self._say(f"  dashboard   {url}/dashboard")
        self._say(f"  API         {url}/docs")
        self._say('  ask         minirag ask "What happens if a service crashes?"')
        self._say("  stop        Ctrl-C")

    async def _watch(self) -> None:
        """Start again what has died, and a broker that lives but does not work."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for member in self._watched:
                if not member.child.alive:
                    await self._revive(member)
                elif member.server.name == "nats":
                    await self._look(member)

    async def _look(self, member: Watched) -> None:
        now = time.monotonic()
        if now - member.looked < 1:
            return
        member.looked = now
        if await member.server.healthy():
            member.sick_since = None
        elif member.sick_since is None:
            member.sick_since = now
        elif now - member.sick_since > UNHEALTHY_SECONDS:
            self._stage(f"{member.server.name} lives but does not work: restarting it")
            await member.server.stop(member.child)

    async def _revive(self, member: Watched) -> None:
        code = member.child.process.returncode
        name = member.server.name
        if code == EXIT_UNUSABLE:
            raise Unusable(f"{name} must not go on:\n{member.child.tail()}")
        if time.monotonic() - member.started > STEADY_SECONDS:
            member.delay = FIRST_DELAY
        self._stage(f"{name} ended with {code}; starting it again")
        if member.delay >= LAST_DELAY:
            self._say(member.child.tail())
        await asyncio.sleep(member.delay)
        member.delay = min(member.delay * 2, LAST_DELAY)
        member.child = await member.server.start()
        member.started = time.monotonic()
        member.sick_since = None

    async def _stop(self) -> None:
        """Services first, so that they can drain; then what they stand on."""
        if not self._watched:
            return
        self._stage("stopping")
        services = [m for m in self._watched if isinstance(m.server, ServiceProcess)]
        await asyncio.gather(*(member.server.stop(member.child) for member in services))
        for member in reversed([m for m in self._watched if m not in services]):
            await member.server.stop(member.child)
        self._watched.clear()
        (self._data_dir / RUN_FILE).unlink(missing_ok=True)
        self._stage("stopped")

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            for member in self._watched:
                with contextlib.suppress(ProcessLookupError):
                    member.child.process.kill()
        self._stopping.set()

    def _write_run_file(self, stack: Stack) -> None:
        body = {
            "url": f"http://{self._host}:{self._port}",
            "pids": {m.server.name: m.child.process.pid for m in self._watched},
        }
        write_private(stack.data_dir / RUN_FILE, orjson.dumps(body))

    def _stage(self, text: str) -> None:
        self._say(f"[{time.monotonic() - self._began:5.1f} s] {text}")


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data directory. Raises `Unusable` if another supervisor does."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / "owner.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unusable(f"another minirag already runs on {data_dir}") from None
        yield


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310  our own gateway
            return bool(answer.status == 200)  # noqa: PLR2004  HTTP OK
    except (OSError, urllib.error.URLError):
        return False
