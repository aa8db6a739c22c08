"""The folder in which an embedded MiniRAG keeps everything, and the lock on it."""

import fcntl
import os
from pathlib import Path

from shared.kernel.errors import Unusable

DEFAULT = Path(".minirag")
LOCK = "minirag.lock"
"""Also tells a folder of ours from somebody's home that was named by mistake."""
CREDENTIALS = "demo.json"
"""Holds the demo tenant's token once the first start has made it."""
DEMO_WIDGET_KEY = "demo-widget-key"
"""Holds the public key of the demo bot."""
FOREIGN_BUT_HARMLESS = {"lost+found"}


class DataDir:
    """Paths below one data directory; `acquire` makes them and keeps every other process out."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.secrets = self.path / "secrets.json"
        self.ports = self.path / "ports.json"
        self.run = self.path / "run.json"
        self.credentials = self.path / CREDENTIALS
        self.demo_widget_key = self.path / DEMO_WIDGET_KEY
        self.logs = self.path / "logs"
        self.pids = self.path / "pids"
        self.nats = self.path / "nats"
        self.log_damage = self.path / "log-damage"
        self.postgres = self.path / "postgres"
        self.blobs = self.path / "blobs"
        self.index = self.path / "index"
        self._restoring = self.path / "restoring"
        self._lock: int | None = None

    def acquire(self) -> None:
        """Make the folder, for the owner's eyes only, and lock it until `release`.

        Raises `Unusable` if another process holds it, if it belongs to another user, if it is a
        folder with something else in it, or if a restore into it was not finished.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = {entry.name for entry in self.path.iterdir()} - FOREIGN_BUT_HARMLESS
            if found and LOCK not in found:
                raise Unusable(
                    f"{self.path} is neither empty nor a data directory of MiniRAG; "
                    "name another one with --data-dir"
                )
            self._lock = self._locked()
            if self._restoring.exists():
                self.release()
                raise Unusable(
                    f"a restore into {self.path} was not finished; remove the folder and repeat it"
                )
            self.path.chmod(0o700)
            for folder in (self.logs, self.pids, self.nats, self.blobs, self.index):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            self.release()
            raise Unusable(f"the data directory {self.path} cannot be used: {error}") from error

    def restoring(self) -> None:
        """From now on nobody can acquire this directory before it is `restored`.

        Raises `Unusable` if it has been in use.
        """
        if self.secrets.exists() or any(self.nats.iterdir()):
            raise Unusable(f"{self.path} is in use already; restore into an empty folder")
        write_private(self._restoring, b"")

    def restored(self) -> None:
        """A restore into this directory is complete."""
        self._restoring.unlink()

    def release(self) -> None:
        """Let the next process have it. Safe to repeat."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _locked(self) -> int:
        handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise Unusable(
                f"{self.path} is in use by another MiniRAG (process {holder}); "
                "stop it, or name another folder with --data-dir"
            ) from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        return handle


def write_private(path: Path, body: bytes) -> None:
    """Put `body` at `path`, readable by the owner only; whole or not at all, whatever crashes."""
    beside = path.with_name(f".{path.name}.part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
