"""Looks at what processes hold and what files contain."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from shared.embedded.surroundings import SERVICES
from tests.harness import Installation

Held = Mapping[str, Mapping[str, float]]
PIECE = 1 << 20


def held(running: Installation) -> Held:
    """What the process of each service holds, by kind."""
    return {name: _of(running.pids()[name]) for name in SERVICES}


def compared(before: Held, after: Held) -> Mapping[str, Mapping[str, tuple[float, float]]]:
    """Both for each service and kind."""
    return {
        name: {kind: (count, after[name][kind]) for kind, count in kinds.items()}
        for name, kinds in before.items()
    }


def spilled(folder: Path, secrets: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Which of `secrets` stand in clear in files below `folder`, and in which."""
    found: dict[str, list[str]] = {}
    for file in folder.rglob("*"):
        # A server may take a file away at any moment.
        with suppress(FileNotFoundError, IsADirectoryError):
            for secret in _inside(file, secrets):
                found.setdefault(secret, []).append(str(file.relative_to(folder)))
    return found


def _of(pid: int) -> Mapping[str, float]:
    process = psutil.Process(pid)
    return {
        "open files": process.num_fds(),
        "threads": process.num_threads(),
        "memory": process.memory_info().rss,
    }


def _inside(file: Path, secrets: Sequence[str]) -> set[str]:
    """Which of the secrets a file holds, also across the border of two pieces."""
    longest = max(map(len, secrets))
    met: set[str] = set()
    with file.open("rb") as opened:
        rest = b""
        while piece := opened.read(PIECE):
            whole = rest + piece
            met |= {secret for secret in secrets if secret.encode() in whole}
            rest = whole[-longest:]
    return met
