"""Ends, stops or fails this process at a fault point, if a test says so by a file.

The folder that `MINIRAG_FAULT_DIR` names is the switchboard: a file with the name of a point and
the number N in it is taken away by the first process that passes the point for the Nth time since
the file is there, and that process ends as by SIGKILL. What is left is the same name with `.fired`
behind it, and the process's id in it. The name of a service behind the number leaves all other
processes alone, `*` names all of them. An action behind that takes the place of the end: `stop` as
by SIGSTOP, until whoever wanted it sends SIGCONT; `raise` as by a mistake in the code; `sleep=N`
holds the whole process up for so many seconds. Every passage is a line of the file `journal`.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import override

from shared.kernel import faults
from shared.kernel.errors import Unusable
from shared.kernel.faults import FaultPoint, Passed
from shared.runtime.settings import ServiceSettings

FIRED = ".fired"
JOURNAL = "journal"
HERE = frozenset({"127.0.0.1", "::1", "localhost"})
ANY = "*"
"""In the place of a service."""
KILL = "kill"
"""What happens where no action is named."""


class Injected(Exception):
    """What `raise` raises: like a mistake, it is of no type that anybody handles by name."""


class Switchboard(Passed):
    """Looks at every passage whether it is the one to end at."""

    def __init__(self, folder: Path, services: Collection[str]) -> None:
        self._folder = folder
        self._services = services
        self._counts: Counter[FaultPoint] = Counter()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._journal = os.open(folder / JOURNAL, flags, 0o600)

    @override
    def __call__(self, point: FaultPoint, /, *about: object) -> None:
        line = " ".join([point, str(os.getpid()), *map(str, about)])
        os.write(self._journal, f"{line}\n".encode())  # one call: lines of processes do not mix
        switch = self._folder / point
        try:
            wanted, service, action = _parsed(switch.read_text())
        except FileNotFoundError:
            self._counts.pop(point, None)
            return
        if service not in {ANY, *self._services}:
            return
        self._counts[point] += 1
        if self._counts[point] < wanted:
            return
        fired = self._folder / f"{point}{FIRED}"
        try:
            switch.rename(fired)
        except FileNotFoundError:
            return  # another process was first
        self._counts.pop(point)
        fired.write_text(str(os.getpid()))
        _act(point, action)


def arm(settings: Mapping[str, ServiceSettings]) -> None:
    """Have this process look at its switchboard, if it is told of one.

    Raises `Unusable` for an installation that is not of one machine, as those in production are,
    and for a point that nobody knows.
    """
    folder = None
    for read in settings.values():
        if read.fault_dir is None:
            continue
        folder = read.fault_dir
        for name, url in (("NATS_URL", read.nats_url), ("DATABASE_URL", read.database_url)):
            if not _is_here(url.get_secret_value()):
                raise Unusable(
                    f"MINIRAG_FAULT_DIR is for tests on one machine, and {name} leads to another: "
                    "unset it"
                )
    if folder is None:
        return
    if not folder.is_dir():
        raise Unusable(f"MINIRAG_FAULT_DIR: {folder} is not a folder")
    known = {JOURNAL, *FaultPoint, *(f"{point}{FIRED}" for point in FaultPoint)}
    unknown = sorted({file.name for file in folder.iterdir()} - known)
    if unknown:
        raise Unusable(f"MINIRAG_FAULT_DIR: no such fault point: {', '.join(unknown)}")
    faults.passed = Switchboard(folder, settings.keys())


def _parsed(switch: str) -> tuple[int, str, str]:
    """Which passage, whose, and what is to happen at it."""
    wanted, service, action = (*switch.split(), *("", ANY, KILL)[len(switch.split()) :])
    return int(wanted), service, action


def _act(point: FaultPoint, action: str) -> None:
    kind, _, seconds = action.partition("=")
    match kind:
        case "raise":
            raise Injected(point)
        case "sleep":
            time.sleep(float(seconds))
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case _:
            os.kill(os.getpid(), signal.SIGKILL)


def _is_here(urls: str) -> bool:
    """Whether all addresses, of which a broker may have several, are of this machine."""
    return all(urlsplit(url).hostname in HERE for url in urls.split(","))
