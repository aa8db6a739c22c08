"""Shows an orchestrator that the event loop of a process turns, whatever state the broker is in.

Liveness must not depend on anything outside the process: a broker that is away would otherwise
have every replica restarted.
"""

import asyncio
import os
import time
from pathlib import Path

BEAT_SECONDS = 2.0
STALE_SECONDS = 30.0
"""No event loop of ours may stand still for so long."""


async def beat(file: Path) -> None:
    """Touch `file` for ever, with the count of seconds that all processes of a machine share: a
    clock that is set makes nothing stale, nor fresh.

    On the loop itself and not in a thread, as the loop's own turning is what it shows.
    """
    while True:
        count = time.monotonic()
        try:
            os.utime(file, (count, count))
        except FileNotFoundError:
            file.touch()  # noqa: ASYNC240  a file in memory; see above for the thread
            continue
        await asyncio.sleep(BEAT_SECONDS)


def beats(file: Path) -> bool:
    """Whether `file` was touched within the last half minute."""
    try:
        return 0 <= time.monotonic() - file.stat().st_mtime < STALE_SECONDS
    except OSError:
        return False
