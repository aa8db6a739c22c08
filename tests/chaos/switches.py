"""The test's end of `shared.runtime.faults`: says where a process is to end, and sees it happen."""

import itertools
from collections.abc import Callable
from pathlib import Path

from shared.kernel.faults import FaultPoint
from shared.runtime.faults import FIRED, JOURNAL
from tests.harness import eventually

FIRE_SECONDS = 90.0


class Switches:
    """The folder that `MINIRAG_FAULT_DIR` names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._numbers = itertools.count()

    def arm(self, point: FaultPoint, service: str = "", passage: int = 1) -> None:
        """Have the first process, of `service` if it is given, end at its so-manieth passage."""
        # Nobody may read half of it, and the folder holds nothing that is no point.
        beside = self.folder.with_name(f"{self.folder.name}-{next(self._numbers)}")
        beside.write_text(f"{passage} {service}".strip())
        beside.rename(self.folder / point)

    def await_fired(self, point: FaultPoint, check: Callable[[], None]) -> None:
        """Wait until a process ended there; `check` raises if it never will."""
        fired = self.folder / f"{point}{FIRED}"

        def look() -> bool:
            check()
            return fired.exists()

        eventually(look, lambda: f"{point} was not passed", seconds=FIRE_SECONDS)

    def fired(self) -> set[str]:
        """The points at which a process ended."""
        return {file.name.removesuffix(FIRED) for file in self.folder.glob(f"*{FIRED}")}

    def journal(self) -> list[list[str]]:
        """Every passage in order: the point, the process, and what it was about."""
        return [line.split() for line in (self.folder / JOURNAL).read_text().splitlines()]
