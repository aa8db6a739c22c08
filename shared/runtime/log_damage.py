"""Hears from whoever watches the log's files that they are damaged."""

import asyncio
from pathlib import Path

from shared.adapters.event_log import EventLog

LOOK_SECONDS = 1.0


async def heed_damage(file: Path | None, event_log: EventLog) -> None:
    """For ever: once `file` is there, have nothing more appended by this process until it ends."""
    while True:
        if file is not None and (said := await asyncio.to_thread(_content, file)) is not None:
            event_log.found_damaged(said)
        await asyncio.sleep(LOOK_SECONDS)


def _content(file: Path) -> str | None:
    try:
        return file.read_text()
    except FileNotFoundError:
        return None
