"""The port for probes answers before there is a broker, and tells the truth about it."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import httpx
import pytest

from shared.embedded.secrets import new_vault_key
from shared.kernel.errors import Unusable
from shared.runtime import probes


@pytest.mark.timeout(600)
async def test_a_process_that_waits_for_its_broker_lives_and_has_not_started(
    tmp_path: Path,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.cli.app", "run", "analytics"),
        env={
            "NATS_URL": "nats://127.0.0.1:9",
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
            "MINIRAG_VAULT_KEY": new_vault_key(),
            "MINIRAG_BLOB_URL": f"file://{tmp_path}",
            "MINIRAG_PROBE_PORT": "0",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(120):
            line = b"{}"
            while json.loads(line).get("message") != "probes are answered":
                line = await process.stderr.readline()
        base = f"http://127.0.0.1:{json.loads(line)['port']}"
        async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as http:
            found = {
                path: (await http.get(path)).status_code
                for path in ("/livez", "/readyz", "/startupz", "/metrics", "/elsewhere")
            }
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert found == {
        "/livez": 200,
        "/readyz": 503,
        "/startupz": 503,
        "/metrics": 200,
        "/elsewhere": 404,
    }
    assert process.returncode == 0
    assert b"Traceback" not in said


async def test_a_port_that_is_taken_is_told_with_the_name_of_the_setting() -> None:
    taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        with pytest.raises(Unusable, match="MINIRAG_PROBE_PORT"):
            await probes.serve("127.0.0.1", port, 1, [], asyncio.Event())
