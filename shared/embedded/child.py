"""One process under this one: started, watched, logged to a file, and ended with all it started."""

import asyncio
import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Any

from shared.embedded.data_dir import DataDir, write_private
from shared.kernel.errors import Unavailable

MARK = "MINIRAG_SUPERVISED_BY"
"""In the environment of every child: the data directory it works for."""
ROTATE_BYTES = 10 * 1024 * 1024
TAIL_BYTES = 16 * 1024
TAIL_LINES = 15
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged user of the operating system."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a process."""

    argv: Sequence[str]
    env: Mapping[str, str]
    account: Account | None = None
    """Who runs it, if it is not the user running this process."""
    cwd: Path | None = None
    orphaned: Signals = SIGTERM
    """What it gets when this process dies without having ended it (on Linux)."""


class Child:
    """A named child; after it ended it can be started again."""

    def __init__(self, name: str, home: DataDir) -> None:
        self.name = name
        self.log = home.logs / f"{name}.log"
        self._pid_file = home.pids / f"{name}.pid"
        self._mark = str(home.path)
        self._log_start = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the running process; None if there is none."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, launch: Launch) -> None:
        """Start it in a session of its own, so that a Ctrl-C reaches this process only.

        Raises `Unavailable` if the operating system refuses.
        """
        log = await asyncio.to_thread(self._open_log)
        identity: dict[str, Any] = {}
        if launch.account is not None:
            identity = {
                "user": launch.account.uid,
                "group": launch.account.gid,
                "extra_groups": [],
            }
        try:
            self._process = await asyncio.create_subprocess_exec(
                *launch.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**launch.env, MARK: self._mark},
                cwd=launch.cwd,
                start_new_session=True,
                umask=0o077,
                preexec_fn=_dies_with(os.getpid(), launch.orphaned),
                **identity,
            )
        except OSError as error:
            raise Unavailable(f"{self.name} cannot be started: {error}") from error
        finally:
            os.close(log)
        try:
            pid = str(self._process.pid).encode()
            await asyncio.to_thread(write_private, self._pid_file, pid)
        except OSError as error:
            await self.stop()
            raise Unavailable(f"{self.name} cannot be noted: {error}") from error

    async def wait(self) -> int:
        """Its exit code once it has ended; below zero, the signal that ended it."""
        if self._process is None:
            raise Unavailable(f"{self.name} is not started")
        return await self._process.wait()

    def kill(self) -> None:
        """To the process and everything it started in its session, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, SIGKILL)

    async def bury(self) -> None:
        """After the process has ended, end what it left behind and forget it."""
        self.kill()
        self._process = None
        await asyncio.to_thread(self._pid_file.unlink, missing_ok=True)

    async def end(self, *steps: tuple[Signals, float]) -> None:
        """Ask it to end, each way for so many seconds, then end it. Whoever waits, buries it."""
        process = self._process
        if process is None:
            return
        for which, seconds in (*steps, (SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(which)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await process.wait()
                break

    async def stop(self, *steps: tuple[Signals, float]) -> None:
        """`end` and `bury`, for good. Safe if it never ran."""
        await self.end(*steps)
        await self.bury()

    def tail(self) -> str:
        """The last lines of what it has written since it was last started."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start, size - TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])

    def read_from(self, position: int) -> tuple[str, int]:
        """Whole lines logged since `position`, and the position behind them.

        Position 0 is where it was last started; a rotated file is read from its beginning.
        """
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                begin = position or self._log_start
                file.seek(begin if begin <= size else 0)
                said = file.read(TAIL_BYTES)
        except OSError:
            return "", position
        whole = said if len(said) == TAIL_BYTES else said[: said.rfind(b"\n") + 1]
        begin = begin if begin <= size else 0
        return whole.decode(errors="replace"), begin + len(whole)

    def _open_log(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > ROTATE_BYTES:
                self.log.rename(self.log.with_suffix(".log.1"))
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log_start = os.fstat(log).st_size
        return log


def ended(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _dies_with(parent: int, orphaned: Signals) -> Callable[[], None] | None:
    """Runs in the new process before its program: have the kernel signal it when we die.

    It allocates and imports nothing, which is what makes it safe beside other threads. It must
    come after the change of user, which clears the setting (prctl(2)); it does.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def set_death_signal() -> None:
        prctl(PR_SET_PDEATHSIG, int(orphaned), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return set_death_signal
