"""Child processes that die with their parent, leave a trace, and can be found again."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
LOG_LIMIT = 10_000_000
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class User:
    """Whom a child runs as, when we are root and it must not be."""

    uid: int
    gid: int


@dataclass
class Child:
    """A running child, known by its pid file."""

    name: str
    process: subprocess.Popen[bytes]
    pid_file: Path
    log_file: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    async def stop(self, ladder: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send each signal in turn and wait so many seconds for the end."""
        for number, seconds in ladder:
            if not self.alive:
                break
            self.process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while self.alive:  # noqa: ASYNC110  nothing tells of a child's end
                        await asyncio.sleep(POLL_SECONDS)
        self.pid_file.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """The end of its log, for whoever has to find out why it died."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log_file.read_text("utf-8", "replace").splitlines()[-lines:])
        return ""


def start_child(
    name: str,
    command: Sequence[str],
    data_dir: Path,
    *,
    env: Mapping[str, str],
    user: User | None = None,
    on_parent_death: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start `command` with its output in `logs/<name>.log` and its pid in `run/<name>.pid`."""
    log_file = data_dir / "logs" / f"{name}.log"
    log_file.parent.mkdir(exist_ok=True)
    if log_file.exists() and log_file.stat().st_size > LOG_LIMIT:
        log_file.replace(log_file.with_suffix(".log.1"))
    with log_file.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  our own commands
            list(command),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_before_exec(user, on_parent_death),  # noqa: PLW1509  forked from the main thread
        )
    pid_file = data_dir / "run" / f"{name}.pid"
    pid_file.parent.mkdir(exist_ok=True)
    pid_file.write_text(str(process.pid))
    return Child(name, process, pid_file, log_file)


def end_leftovers(data_dir: Path) -> list[str]:
    """End children of a supervisor that was killed; return their names.

    A pid may have been given to somebody else since: only processes are ended whose command line
    or environment belongs to this data directory.
    """
    ended = []
    for pid_file in sorted((data_dir / "run").glob("*.pid")):
        with contextlib.suppress(ValueError, psutil.Error):
            process = psutil.Process(int(pid_file.read_text()))
            if _belongs(process, data_dir):
                family = [process, *process.children(recursive=True)]
                process.send_signal(signal.SIGINT if pid_file.stem == "postgres" else 15)
                _, alive = psutil.wait_procs(family, timeout=5)
                for one in alive:
                    one.kill()
                psutil.wait_procs(alive, timeout=5)
                ended.append(pid_file.stem)
        pid_file.unlink(missing_ok=True)
    return ended


def free_port(wanted: int | None = None) -> int:
    """`wanted` if nobody listens there, else one the system has free."""
    for port in (wanted, 0):
        if port is None:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")


def _belongs(process: psutil.Process, data_dir: Path) -> bool:
    mark = str(data_dir.resolve())
    if any(mark in part for part in process.cmdline()):
        return True
    return bool(process.environ().get("MINIRAG_DATA_DIR") == mark)


def _before_exec(user: User | None, death: signal.Signals) -> Callable[[], None]:
    """What the child does between fork and exec: change user, then die with the parent."""
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        if user is not None:
            os.setgroups([])
            os.setgid(user.gid)
            os.setuid(user.uid)
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, death)
            if os.getppid() != parent:
                os._exit(1)  # the parent died in between

    return prepare
