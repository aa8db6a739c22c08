"""`minirag up`: the embedded stack under its supervisor."""

import asyncio
import sys
import time
from pathlib import Path

from shared.embedded.data_dir import CREDENTIALS
from shared.embedded.servers import Say
from shared.embedded.supervisor import Plan, Supervisor

SERVICES_COMMAND = (sys.executable, "-P", "-m", "shared.cli.app", "run")


def run_stack(data_dir: Path, host: str, port: int, *, isolated: bool, verbose: bool) -> int:
    """Run until told to stop; returns the exit code."""
    plan = Plan(
        data_dir=data_dir,
        command=SERVICES_COMMAND,
        host=host,
        port=port,
        isolated=isolated,
        verbose=verbose,
    )
    return asyncio.run(Supervisor(plan, elapsed_lines(), make_demo).run())


def elapsed_lines() -> Say:
    """Writes a line with the seconds since now before it."""
    began = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - began:6.1f} s] {line}\n")
        sys.stdout.flush()

    return say


async def make_demo(data_dir: Path, base_url: str, say: Say) -> None:
    """The first start's tenant, bot and documents; later starts do not even load the code."""
    if await asyncio.to_thread((data_dir / CREDENTIALS).exists):
        return
    from shared.cli.demo import bootstrap  # noqa: PLC0415  it brings an HTTP client into memory

    await bootstrap(data_dir, base_url, say)
