"""The broker: nats-server from its wheel, with JetStream that syncs before it acknowledges."""

import asyncio
import json
import os
import shutil
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from urllib.parse import quote

from shared.adapters.nkeys import account_of
from shared.embedded.child import Child, Launch
from shared.embedded.data_dir import DataDir, write_private
from shared.embedded.log_guard import LogGuard
from shared.embedded.loopback import get, status
from shared.embedded.ports import LOOPBACK, is_free
from shared.embedded.secrets import Secrets
from shared.embedded.surroundings import server_environment
from shared.kernel.errors import Unavailable, Unusable

USER = "minirag"
LARGEST_STORE = 20 * 10**9
DISK_SHARE = 0.8
"""Of what the disk could still give, so that the store's own limit is met before the disk's end:
a full disk makes a stream fail without an error until the server is restarted."""
START_SECONDS = 120.0
"""A long log takes seconds to open, a very long one more."""
STOP_SECONDS = 5.0
SICK_SECONDS = 10.0
WATCH_SECONDS = 1.0
GUARD_SECONDS = 2.0

# No `cipher`: nats-server 2.15 can drop a whole work queue that it encrypts, when it is killed
# while the queue's last message goes.
CONFIG = """\
# Written at every start.
server_name: minirag
listen: "{host}:{port}"
http: "{host}:{monitor}"
max_payload: 1MB
write_deadline: "10s"
jetstream {{
  store_dir: {store}
  sync_interval: always
  max_file_store: {max_file_store}
  max_memory_store: 512MB
}}
accounts {{
  $SYS: {{ users: [{{ user: system, password: $MINIRAG_NATS_PASSWORD }}] }}
}}
authorization {{
  users: [{{
    user: {user}, password: $MINIRAG_NATS_PASSWORD, allowed_connection_types: ["STANDARD"]
  }}]
  # Whoever else comes holds an API token, or nothing; the gateway tells.
  auth_callout {{ issuer: {issuer}, auth_users: [{user}, system] }}
}}
"""
WEBSOCKET = """websocket {{
  listen: "{host}:{port}"
  no_tls: true
  same_origin: true
}}
"""


@dataclass(frozen=True, slots=True)
class OutsideDoor:
    """Where subscribers from outside get in, over WebSocket."""

    host: str
    port: int


class NatsServer:
    """One nats-server on a data directory. `start` again after it has ended."""

    def __init__(
        self,
        home: DataDir,
        secrets: Secrets,
        *,
        port: int,
        monitor: int,
        outside: OutsideDoor | None = None,
    ) -> None:
        self.child = Child("nats", home)
        self.port = port
        self.monitor = monitor
        self._outside = outside
        self._secrets = secrets
        self._config = home.nats / "nats.conf"
        self._store = home.nats / "store"
        self._guard = LogGuard(self._store, home.nats / "log-guard.json")
        self._damage = home.log_damage
        self._open = False

    @property
    def url(self) -> str:
        password = quote(self._secrets.nats_password, safe="")
        return f"nats://{USER}:{password}@{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Start and wait until it is healthy.

        Raises `Unavailable` if it does not get there, `Unusable` if it would acknowledge what a
        power cut can take, or if the log's files are not what they were.
        """
        self._open = False
        program = await asyncio.to_thread(self._prepare)
        env = {
            **server_environment(),
            "MINIRAG_NATS_PASSWORD": self._secrets.nats_password,
        }
        await self.child.start(Launch([str(program), "-c", str(self._config)], env))
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._until_healthy()
            await self._refuse_lazy_sync()
        except TimeoutError as error:
            await self.stop()
            raise Unavailable(f"nats-server did not get healthy:\n{self.child.tail()}") from error
        except Unusable:
            await self.stop()
            raise
        self._open = True

    async def stop(self) -> None:
        """With many open pulls it would take its time; killing it loses nothing it stored."""
        self._open = False
        await self.child.stop((SIGTERM, STOP_SECONDS))

    async def watch(self) -> None:
        """For ever: stop it when it has been unhealthy for ten seconds; who keeps it restarts it.

        Only the plain `/healthz` tells when a stream cannot be written any more.
        """
        loop = asyncio.get_running_loop()
        well = loop.time()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self._open or await self.healthy():
                well = loop.time()
            elif loop.time() - well > SICK_SECONDS:
                await self.child.end((SIGTERM, STOP_SECONDS))

    async def guard(self, say: Callable[[str], None]) -> None:
        """Until the log's files are found damaged: tell that then, and have the services know,
        which write nothing more. The broker goes on: they can still read what it has in memory.
        """
        while True:
            damage = await asyncio.to_thread(self._guard.look)
            if damage is not None:
                break
            await asyncio.sleep(GUARD_SECONDS)
        say(f"THE LOG IS DAMAGED, nothing more is written: {damage}; restore a backup")
        await asyncio.to_thread(write_private, self._damage, damage.encode())

    async def healthy(self) -> bool:
        return await status(self.monitor, "/healthz") == 200  # noqa: PLR2004  OK

    def _prepare(self) -> Path:
        for port in (self.port, self.monitor):
            if not is_free(port):
                raise Unavailable(f"port {port} of nats-server is taken by another program")
        self._store.mkdir(mode=0o700, exist_ok=True)
        self._guard.before_start()
        self._damage.unlink(missing_ok=True)
        config = CONFIG.format(
            host=LOOPBACK,
            port=self.port,
            monitor=self.monitor,
            store=json.dumps(str(self._store)),
            max_file_store=largest_store(self._store),
            user=USER,
            issuer=account_of(self._secrets.subscriber_seed),
        )
        if self._outside is not None:
            door = self._outside
            if not is_free(door.port, door.host):
                raise Unavailable(f"port {door.port} for subscribers is taken by another program")
            config += WEBSOCKET.format(host=door.host, port=door.port)
        write_private(self._config, config.encode())
        return nats_program()

    async def _until_healthy(self) -> None:
        while not await self.healthy():
            if not self.child.running:
                raise Unavailable(f"nats-server ended at its start:\n{self.child.tail()}")
            await asyncio.sleep(0.02)

    async def _refuse_lazy_sync(self) -> None:
        try:
            variables = json.loads((await get(self.monitor, "/varz")).body)
            config = variables["jetstream"]["config"]
        except (OSError, ValueError, KeyError) as error:
            raise Unavailable("nats-server does not tell its settings") from error
        if config.get("sync_always") is not True:
            raise Unusable(
                "nats-server does not sync to disk before it acknowledges; a power cut would "
                f"lose the log (sync_interval: {config.get('sync_interval')})"
            )


def nats_program() -> Path:
    """The wheel puts it beside the interpreter's other scripts, which need not be on the path."""
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not program.exists():
        raise Unusable("nats-server is missing: install minirag[embedded]")
    return program


def largest_store(store: Path) -> int:
    """Bytes that the streams may take together, of a server that starts as the disk is."""
    used = 0
    for folder, _, names in os.walk(store):
        for name in names:
            with suppress(FileNotFoundError):  # a server that runs replaces files
                used += (Path(folder) / name).stat().st_size
    return min(LARGEST_STORE, int((shutil.disk_usage(store).free + used) * DISK_SHARE))
