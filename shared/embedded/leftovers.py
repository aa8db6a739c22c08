"""Ends what a killed supervisor left running on a data directory."""

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from signal import SIGTERM, Signals

import psutil

from shared.embedded.child import MARK

POLITE_SECONDS = 3.0


def end_leftovers(pids: Path, home: Path, signals: dict[str, Signals]) -> Sequence[str]:
    """End every process recorded in `pids` that is alive and works for `home`, with its group.

    `signals` is how to ask, by child name; SIGTERM for others. The caller must hold the data
    directory's lock: then nobody else's process can be among them. Returns the names found.
    """
    found: dict[str, list[psutil.Process]] = {}
    for file in sorted(pids.glob("*.pid")):
        with contextlib.suppress(ValueError):
            members = _group(int(file.read_text()), home)
            if members:
                found[file.stem] = members
    for name, members in found.items():
        end(members, signals.get(name, SIGTERM))
    for file in pids.glob("*.pid"):
        file.unlink(missing_ok=True)
    return list(found)


def end(processes: Sequence[psutil.Process], how: Signals) -> None:
    """Ask with `how`, wait, and kill what is left. Returns when all are gone."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(how)
    _, alive = psutil.wait_procs(processes, timeout=POLITE_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=POLITE_SECONDS)


def working_for(process: psutil.Process, folders: Iterable[Path]) -> bool:
    """Whether its environment or command line names one of these folders.

    A recycled process id belongs to something else; that must never be ended.
    """
    wanted = {str(folder) for folder in folders}
    with contextlib.suppress(psutil.Error, OSError):
        if process.environ().get(MARK) in wanted:
            return True
    with contextlib.suppress(psutil.Error, OSError):
        return any(
            argument == folder or argument.startswith(f"{folder}/")
            for argument in process.cmdline()
            for folder in wanted
        )
    return False


def _group(leader: int, home: Path) -> list[psutil.Process]:
    """The leader and what it started; the leader itself may be gone already."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            mine = process.pid == leader or os.getpgid(process.pid) == leader
            if mine and process.status() != psutil.STATUS_ZOMBIE and working_for(process, [home]):
                members.append(process)
    return members
