"""The test's end of `shared.runtime.faults`: says where a fault is to be, and sees it happen."""

import itertools
from collections.abc import Callable
from pathlib import Path

from shared.kernel.faults import FaultPoint
from shared.runtime.faults import ANY, FIRED, JOURNAL, KILL
from tests.harness import eventually

FIRE_SECONDS = 300.0


class Switches:
    """The folder that `MINIRAG_FAULT_DIR` names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._numbers = itertools.count()

    def arm(
        self, point: FaultPoint, service: str = ANY, passage: int = 1, action: str = KILL
    ) -> None:
        """Have the first process, of `service` if it is given, fail at its so-manieth passage."""
        (self.folder / f"{point}{FIRED}").unlink(missing_ok=True)
        # Nobody may read half of it, and the folder holds nothing that is no point.
        beside = self.folder.with_name(f"{self.folder.name}-{next(self._numbers)}")
        beside.write_text(f"{passage} {service} {action}")
        beside.rename(self.folder / point)

    def await_fired(self, point: FaultPoint, check: Callable[[], None]) -> int:
        """Wait until it happened there, and return the process; `check` raises if it never will."""
        fired = self.folder / f"{point}{FIRED}"

        def look() -> str:
            check()
            told = fired.read_text() if fired.exists() else ""
            return told if told.isdecimal() else ""  # it has the name before it has the process

        return int(eventually(look, lambda: f"{point} was not passed", seconds=FIRE_SECONDS))

    def fired(self) -> set[str]:
        """The points at which a fault happened."""
        return {file.name.removesuffix(FIRED) for file in self.folder.glob(f"*{FIRED}")}

    def journal(self) -> list[list[str]]:
        """Every passage in order: the point, the process, and what it was about."""
        return [line.split() for line in (self.folder / JOURNAL).read_text().splitlines()]
