"""The heartbeat shows that an event loop turns, and goes stale when it does not."""

import asyncio
import os
import time
from pathlib import Path

from shared.runtime.heartbeat import STALE_SECONDS, beat, beats


async def test_a_turning_loop_touches_the_file(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat(file))
        while not await asyncio.to_thread(beats, file):
            await asyncio.sleep(0)
        beating.cancel()
    assert await asyncio.to_thread(beats, file)


def test_a_file_that_was_not_touched_for_long_is_stale(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    file.touch()
    long_ago = time.monotonic() - STALE_SECONDS - 1
    os.utime(file, (long_ago, long_ago))
    assert not beats(file)


def test_a_file_from_before_the_machine_started_is_stale(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    file.touch()
    assert not beats(file)


def test_no_file_is_no_heartbeat(tmp_path: Path) -> None:
    assert not beats(tmp_path / "alive")
