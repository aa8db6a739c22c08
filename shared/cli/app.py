"""The command `minirag`."""

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from shared.kernel.errors import MiniRagError

app = typer.Typer(
    name="minirag",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Grounded answers from your own sources, on an event log.",
)

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="MINIRAG_DATA_DIR", help="Where everything is kept.")
]
DEFAULT_DATA_DIR = Path(".minirag")
EXIT_UNUSABLE = 78


@app.command()
def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port: Annotated[int, typer.Option(help="Gateway port; the next free one if it is taken.")] = (
        8000
    ),
    host: Annotated[str, typer.Option(help="Gateway address.")] = "127.0.0.1",
    *,
    isolated: Annotated[bool, typer.Option(help="Each service in a process of its own.")] = False,
) -> None:
    """Start the whole product: broker, database, vector index and all services."""
    from shared.cli.demo import bootstrap  # noqa: PLC0415  each command loads what it needs
    from shared.local.supervisor import Supervisor  # noqa: PLC0415

    supervisor = Supervisor(
        data_dir, host=host, port=port, isolated=isolated, after_start=bootstrap, say=_say
    )
    asyncio.run(supervisor.run())


@app.command()
def run(service: Annotated[str, typer.Argument(help="One service, or `all`.")]) -> None:
    """Run one service against NATS_URL, DATABASE_URL and QDRANT_URL."""
    from shared.runtime.process import SERVICES, main  # noqa: PLC0415

    if service not in (*SERVICES, "all"):
        raise typer.BadParameter(f"{service!r} is none of {', '.join(sorted(SERVICES))}, all")
    main([service])


@app.command()
def ask(
    question: str,
    bot: Annotated[str | None, typer.Option(help="Bot profile id; the demo bot's if left out.")] = (
        None
    ),
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Ask a bot; the answer streams in with its citations."""
    from shared.cli.ask import ask as run_ask  # noqa: PLC0415
    from shared.cli.client import Credentials, running_url  # noqa: PLC0415

    url, credentials = running_url(data_dir), Credentials.read(data_dir)
    if not asyncio.run(run_ask(url, credentials, question, bot)):
        raise typer.Exit(1)


@app.command("import")
def import_(
    target: Annotated[str, typer.Argument(help="An address, a file or a folder.")],
    bot: Annotated[str | None, typer.Option(help="Bot profile id; the demo bot's if left out.")] = (
        None
    ),
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Add sources and wait until each of them is ready."""
    from shared.cli.client import Credentials, running_url  # noqa: PLC0415
    from shared.cli.imports import import_all  # noqa: PLC0415

    url, credentials = running_url(data_dir), Credentials.read(data_dir)
    if not asyncio.run(import_all(url, credentials, target, bot)):
        raise typer.Exit(1)


@app.command()
def status(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show services, streams, consumer lag and read-model positions."""
    from shared.cli.status import show  # noqa: PLC0415

    if not asyncio.run(show(data_dir)):
        raise typer.Exit(1)


@app.command()
def rebuild(
    read_model: Annotated[str, typer.Argument(help="`sources`, `bots`, `chats`, `index`, …")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a read model or the index anew from the log, beside the old one, and swap."""
    from shared.cli.status import rebuild as run_rebuild  # noqa: PLC0415

    asyncio.run(run_rebuild(data_dir, read_model))


@app.callback(invoke_without_command=True)
def root(
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Grounded answers from your own sources, on an event log."""
    if show_version:
        _say(version("minirag"))
        raise typer.Exit


def main() -> None:
    """Entry point: errors made on purpose are told in a line, not as a trace."""
    try:
        app()
    except (MiniRagError, FileNotFoundError, ValueError) as error:
        _complain(error)
    except ExceptionGroup as group:
        ours, others = group.split(MiniRagError)
        if others is not None or ours is None:
            raise
        _complain(ours.exceptions[0])


def _complain(error: Exception) -> None:
    sys.stderr.write(f"minirag: {error}\n")
    sys.exit(EXIT_UNUSABLE)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
