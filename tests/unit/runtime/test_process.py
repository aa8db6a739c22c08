"""A process ends when it is told to, also while it still waits for what it needs."""

import asyncio
import signal
import sys
from pathlib import Path

from shared.embedded.secrets import new_vault_key
from shared.runtime.heartbeat import beats


async def test_one_that_waits_for_its_broker_ends_when_it_is_told_to(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.cli.app", "run", "analytics"),
        env={
            "NATS_URL": "nats://127.0.0.1:9",
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
            "MINIRAG_VAULT_KEY": new_vault_key(),
            "MINIRAG_BLOB_URL": f"file://{tmp_path}",
            "MINIRAG_HEARTBEAT_FILE": str(alive),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(250):
            while not await asyncio.to_thread(beats, alive):
                assert process.returncode is None
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    assert b"Traceback" not in said
