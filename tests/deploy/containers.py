"""The containers of docker-compose.yml as processes of this machine.

Commands, environments, mounted files and secrets are those of the file and of the image; only what
a container engine would do is done here: names of hosts become loopback ports, and places in a
container become folders. Postgres is the embedded one, as its image cannot be run; there is no
Qdrant to run at all, so chat has its embedded engine.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sysconfig
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.embedded.data_dir import DataDir
from shared.embedded.ports import LOOPBACK, keep_ports
from shared.embedded.postgres_server import PostgresServer
from shared.embedded.secrets import keep_secrets
from tests.deploy.compose import ROOT, resolved, secret_targets
from tests.deploy.image import environment, last
from tests.e2e.replicas import STARTED
from tests.harness import eventually

SCRIPTS = Path(sysconfig.get_path("scripts"))
START_SECONDS = 120.0
STOP_SECONDS = 60.0
BOUND = {
    "nats": {4222: "nats", 8222: "monitor", 9222: "subscribers"},
    "postgres": {5432: "postgres"},
    "gateway": {8000: "gateway"},
    "caddy": {8080: "http", 8443: "https", 8081: "probe"},
}
"""Which port in a container is which of ours."""


class Containers:
    """One installation made by `minirag init`, in a folder that stands for the project's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "docker-compose.yml", folder)
        done = self._command([*self.minirag, "init"], os.environ)
        assert done.returncode == 0, done.stderr
        lines = (folder / ".env").read_text().splitlines()
        self.services: dict[str, dict[str, Any]] = resolved(
            dict(line.split("=", 1) for line in lines)
        )["services"]
        names = [port for ports in BOUND.values() for port in ports.values()]
        self.ports = keep_ports(folder / "ports.json", names)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logged: dict[str, int] = {}

    minirag = (str(SCRIPTS / "minirag"),)
    """The image's entry point, which is what a container starts."""

    def secret(self, name: str) -> str:
        return (self.folder / ".compose" / "secrets" / name).read_text().strip()

    def here(self, text: str) -> str:
        """With hosts and ports of containers replaced by those of this machine."""
        for host, ports in BOUND.items():
            for inside, name in ports.items():
                text = text.replace(f"@{host}:{inside}", f"@{LOOPBACK}:{self.ports[name]}")
        return text

    def environment(self, name: str) -> dict[str, str]:
        """What the container of one of our services has, and nothing of this process."""
        one = self.services[name]
        image = environment(one["build"]["args"]["SERVICE"])
        found = {**image, **{k: str(v) for k, v in one.get("environment", {}).items()}}
        home = self._home(name)
        found |= {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "MINIRAG_SECRETS_DIR": str(self._mounted(name)),
            "MINIRAG_HEARTBEAT_FILE": str(home / "minirag.alive"),
        }
        if "MINIRAG_PORT" in found:
            found["MINIRAG_PORT"] = str(self.ports["gateway"])
        if "MINIRAG_BLOB_URL" in found:
            found["MINIRAG_BLOB_URL"] = (self.folder / ".compose/data/blobs").as_uri()
        if found.pop("QDRANT_URL", None):
            found["MINIRAG_INDEX_DIR"] = str(home / "index")
        return found

    def argv(self, name: str, *arguments: str) -> list[str]:
        """Entry point and command, as the engine puts them together."""
        assert json.loads(last("ENTRYPOINT")) == ["minirag"]
        given = list(arguments) or self.services[name].get("command")
        return [*self.minirag, *(given or json.loads(last("CMD")))]

    def start(self, name: str) -> None:
        self._start(name, self.argv(name), self.environment(name))

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """One that ends by itself."""
        return self._command(self.argv(name), self.environment(name))

    def probe(self, name: str, *flags: str) -> subprocess.CompletedProcess[str]:
        """The container's health check, or another by `flags`."""
        test = self.services[name]["healthcheck"]["test"]
        assert test[:2] == ["CMD", "minirag"]
        return self._command([*self.minirag, *test[2:], *flags], self.environment(name))

    def healthy(self, name: str) -> None:
        """Wait for it as `depends_on: service_healthy` does."""

        def look() -> bool:
            self.alive(name)
            # A probe is a process of its own: many of them would hold up what they ask about.
            told = (self.folder / f"{name}.log").read_bytes()[self._logged[name] :]
            return STARTED.encode() in told and self.probe(name).returncode == 0

        eventually(look, lambda: self.log(name), START_SECONDS)

    def alive(self, name: str) -> None:
        code = self._running[name].poll()
        assert code is None, f"{name} ended with {code}:\n{self.log(name)}"

    def signal(self, name: str, which: signal.Signals) -> None:
        self._running[name].send_signal(which)

    def stop(self, name: str) -> int:
        """As the engine does; returns the exit code."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGCONT)
        process.terminate()
        return process.wait(STOP_SECONDS)

    def kill_all(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def log(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text().splitlines()[-30:])

    def memory(self, name: str) -> int:
        """Resident bytes of the main process."""
        status = Path(f"/proc/{self._running[name].pid}/status").read_text()
        (line,) = (ln for ln in status.splitlines() if ln.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def start_nats(self) -> None:
        """The command of the file, on the configuration that it mounts."""
        one, home = self.services["nats"], self._home("nats")
        for volume in one["volumes"]:
            source, target, *_ = volume.split(":")
            if target.startswith("/etc/nats/"):
                shutil.copy(ROOT / source, home / Path(target).name)
        for name, target in secret_targets(one).items():
            (home / Path(target).name).write_text(self.secret(name))
        config = home / "nats.conf"
        text = config.read_text()
        for inside, name in BOUND["nats"].items():
            text = text.replace(f"0.0.0.0:{inside}", f"{LOOPBACK}:{self.ports[name]}")
        config.write_text(text.replace('"/data"', json.dumps(str(home / "data"))))
        program, *arguments = one["command"]
        argv = [str(SCRIPTS / program), *(a.replace("/etc/nats", str(home)) for a in arguments)]
        self._start("nats", argv, {"PATH": os.environ["PATH"], **one["environment"]})
        eventually(lambda: _listens(self.ports["nats"]), lambda: self.log("nats"), START_SECONDS)

    def start_caddy(self) -> None:
        """The command of the file, on the Caddyfile that it mounts."""
        one, home = self.services["caddy"], self._home("caddy")
        program, *arguments = one["command"]
        caddyfile = str(ROOT / "deploy/caddy/Caddyfile")
        argv = [str(SCRIPTS / program)]
        argv += [a.replace("/etc/caddy/Caddyfile", caddyfile) for a in arguments]
        env = {
            **one["environment"],
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_DATA_HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "CADDY_HTTP_PORT": str(self.ports["http"]),
            "CADDY_HTTPS_PORT": str(self.ports["https"]),
            "CADDY_PROBE_PORT": str(self.ports["probe"]),
            "GATEWAY_ADDRESS": f"{LOOPBACK}:{self.ports['gateway']}",
            "NATS_ADDRESS": f"{LOOPBACK}:{self.ports['subscribers']}",
        }
        self._start("caddy", argv, env)
        eventually(lambda: _has_tls(self.ports["https"]), lambda: self.log("caddy"), START_SECONDS)

    @property
    def database_password(self) -> str:
        return urlsplit(self.secret("MINIRAG_ADMIN_DATABASE_URL")).password or ""

    def _mounted(self, name: str) -> Path:
        """The folder of secrets of one container: those it names, and no others.

        It is filled once: while it is written again, a process that starts would find files empty.
        """
        folder = self._home(name) / "secrets"
        if not folder.exists():
            folder.mkdir(mode=0o700)
            for secret, target in secret_targets(self.services[name]).items():
                (folder / Path(target).name).write_text(self.here(self.secret(secret)))
        return folder

    def _home(self, name: str) -> Path:
        home = self.folder / "containers" / name
        home.mkdir(parents=True, exist_ok=True)
        return home

    def _start(self, name: str, argv: list[str], env: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._logged[name] = log.tell()
            self._running[name] = subprocess.Popen(
                argv, env=env, cwd=self._home(name), stdout=log, stderr=log
            )

    def _command(self, argv: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, env=env, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )


@contextmanager
def containers(folder: Path) -> Iterator[Containers]:
    """Killed at the end, whatever still runs."""
    found = Containers(folder)
    try:
        yield found
    finally:
        found.kill_all()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _has_tls(port: int) -> bool:
    """Whether the proxy has a certificate; it makes one of its own while it answers already."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((LOOPBACK, port), 5) as probe:
            anybody.wrap_socket(probe, server_hostname="localhost").close()
    except OSError:
        return False
    return True


@asynccontextmanager
async def database(found: Containers) -> AsyncGenerator[None, None]:
    """A fresh Postgres on the port and with the password of the installation, and nothing in it."""
    home = DataDir(found.folder / "database")
    await asyncio.to_thread(home.acquire)
    secrets = replace(keep_secrets(home.secrets, ()), postgres_password=found.database_password)
    server = PostgresServer(home, secrets, port=found.ports["postgres"])
    try:
        await server.start()
        yield
    finally:
        await server.stop()
        home.release()
