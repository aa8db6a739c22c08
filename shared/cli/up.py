"""`minirag up`: the embedded stack under its supervisor."""

import asyncio
import shlex
import shutil
import sys
import sysconfig
import time
from pathlib import Path

from shared.embedded.data_dir import CREDENTIALS, DEFAULT
from shared.embedded.servers import Say
from shared.embedded.supervisor import Plan, Supervisor

SERVICES_COMMAND = (sys.executable, "-P", "-m", "shared.cli.app", "run")


def run_stack(
    data_dir: Path,
    host: str,
    port: int,
    *,
    isolated: bool,
    verbose: bool,
    subscribers_port: int | None,
) -> int:
    """Run until told to stop; returns the exit code."""
    plan = Plan(
        data_dir=data_dir,
        command=SERVICES_COMMAND,
        host=host,
        port=port,
        isolated=isolated,
        verbose=verbose,
        subscribers_port=subscribers_port,
        ask=ask_command(data_dir),
    )
    return asyncio.run(Supervisor(plan, elapsed_lines(), make_demo).run())


def ask_command(data_dir: Path) -> str:
    """What to type here to ask: with the path if `minirag` is not on the search path, and with
    the data directory if it is not the default one.
    """
    program = Path(sysconfig.get_path("scripts")) / "minirag"
    if shutil.which("minirag"):
        program = Path("minirag")
    elif program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    where = [] if data_dir == DEFAULT else ["--data-dir", str(data_dir)]
    return shlex.join([str(program), "ask", *where])


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
