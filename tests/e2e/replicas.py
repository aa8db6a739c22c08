"""One more process of a service, on the servers and with the secrets of an installation."""

import json
import subprocess
import sys
from pathlib import Path
from secrets import randbelow

from shared.embedded.data_dir import DataDir
from shared.embedded.ports import HIGHEST, LOOPBACK, LOWEST, first_free
from shared.embedded.secrets import keep_secrets
from shared.embedded.surroundings import SERVICES, service_environment
from tests.harness import Installation, eventually

STARTED = '"service started"'
STOP_SECONDS = 120.0


class Replica:
    """Nobody starts it again when it ends."""

    def __init__(self, installation: Installation, service: str, **env: str) -> None:
        """Of one service, or of `all` in one process."""
        home = DataDir(installation.data_dir)
        secrets = keep_secrets(home.secrets, SERVICES)
        ports = json.loads(home.ports.read_bytes())
        self.name = service
        # Another process of tests may look for one at the same time.
        self.port = first_free(LOWEST + randbelow(HIGHEST - LOWEST), LOOPBACK)
        self.url = f"http://{LOOPBACK}:{self.port}"

        def database_url(service: str) -> str:
            password = secrets.database_passwords[service]
            address = f"{LOOPBACK}:{ports['postgres']}"
            return f"postgresql://minirag_{service}:{password}@{address}/minirag"

        own = service_environment(
            home,
            secrets,
            nats_url=f"nats://minirag:{secrets.nats_password}@{LOOPBACK}:{ports['nats']}",
            host=LOOPBACK,
            port=self.port,
            database_url=database_url,
            service=None if service == "all" else service,
        )
        command = [sys.executable, "-P", "-m", "shared.cli.app", "run", service]
        self._log = (installation.data_dir / "logs" / f"{service}-{self.port}.log").open("wb")
        self.process = subprocess.Popen(
            command,
            env={**installation.env, **own, **env},
            cwd=Path(__file__).parents[2],
            stderr=self._log,
        )

    def said(self) -> str:
        """The end of its log."""
        return "".join(
            Path(self._log.name).read_text(errors="replace").splitlines(keepends=True)[-15:]
        )

    def started(self) -> None:
        """Wait until it works, all of it."""
        log, services = Path(self._log.name), len(SERVICES) if self.name == "all" else 1
        eventually(
            lambda: log.read_text(errors="replace").count(STARTED) >= services,
            self.said,
            STOP_SECONDS,
        )

    def stop(self) -> int:
        """As an orchestrator does; returns the exit code."""
        self.process.terminate()
        code = self.process.wait(STOP_SECONDS)
        self._log.close()
        return code


def restarted(running: Installation, service: str) -> None:
    """Tell a service to stop, and wait until whoever keeps it has brought it back."""
    log = running.data_dir / "logs" / f"{service}.log"
    before = eventually(lambda: running.pids().get(service), running.logs)
    starts = log.read_text(errors="replace").count(STARTED)
    running.terminate(service)
    eventually(
        lambda: (
            running.pids().get(service, before) != before
            and log.read_text(errors="replace").count(STARTED) > starts
        ),
        running.logs,
        STOP_SECONDS,
    )
