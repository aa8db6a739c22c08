"""What happened when, told by the clock that the logs of services have too."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from typing_extensions import override

__all__ = ["Diary"]


@dataclass
class Diary:
    """Of one test, so that whatever went wrong in it can be laid beside what was done then."""

    entries: list[tuple[float, str]] = field(default_factory=list)
    clock: Callable[[], float] = time.time

    def note(self, what: str) -> None:
        """From whichever thread."""
        self.entries.append((self.clock(), what))

    @override
    def __str__(self) -> str:
        """All of it in its order, each with the hour of UTC."""
        return "\n".join(
            f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f} {what}"
            for at, what in sorted(self.entries)
        )
