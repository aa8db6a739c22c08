"""The command `minirag`: every subcommand, and nothing else.

Modules are imported by the command that needs them: the supervisor behind `up` lives as long as
the product runs, and what it does not import it does not keep in memory.
"""
# ruff: noqa: PLC0415  for the reason above

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shared.embedded.data_dir import DEFAULT

if TYPE_CHECKING:
    from shared.contracts.gateway_erasure import ErasureKind

app = typer.Typer(
    name="minirag",
    help="Answers from your own documents, with citations, from an event log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

tenant = typer.Typer(help="What an operator alone may do with a tenant.", no_args_is_help=True)
app.add_typer(tenant, name="tenant")

erase = typer.Typer(
    help="Erase for good. Without --yes it only tells what would go.", no_args_is_help=True
)
app.add_typer(erase, name="erase")

config = typer.Typer(help="The settings of services.", no_args_is_help=True)
app.add_typer(config, name="config")

dead_letters = typer.Typer(
    help="What services gave up: see it, do it once more, or let it go.", no_args_is_help=True
)
app.add_typer(dead_letters, name="dead-letters")

DataDirOption = Annotated[
    Path,
    typer.Option("--data-dir", envvar="MINIRAG_DATA_DIR", help="Where everything is kept."),
]
BotOption = Annotated[str | None, typer.Option(help="Bot profile id; left out, the demo bot.")]
EnvironmentOption = Annotated[
    bool,
    typer.Option("--environment", help="What NATS_URL and MINIRAG_BLOB_URL name, not a folder."),
]
SlugArgument = Annotated[str, typer.Argument(help="The slug of the tenant.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it. Nobody can undo it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
StateOption = Annotated[
    Literal["open", "replayed", "discarded"],
    typer.Option(help="Those that lie there still, or those that people of a tenant settled so."),
]
EXIT_FAILED = 1
EXIT_UNUSABLE = 78
"""`EX_CONFIG` of sysexits.h."""


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("minirag"))
        raise typer.Exit


@app.callback()
def minirag(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Answers from your own documents, with citations, from an event log."""


@app.command()
def up(
    data_dir: DataDirOption = DEFAULT,
    host: Annotated[
        str, typer.Option(envvar="MINIRAG_HOST", help="Address the gateway listens on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(envvar="MINIRAG_PORT", min=1, max=65535, help="The next free one if taken."),
    ] = 8000,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Run every service in a process of its own.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the processes log.")
    ] = False,
    subscribers_port: Annotated[
        int | None,
        typer.Option(
            envvar="MINIRAG_SUBSCRIBERS_PORT",
            min=1,
            max=65535,
            help="Let subscribers with a token into NATS there, over WebSocket.",
        ),
    ] = None,
) -> None:
    """Start everything: NATS, Postgres and all services."""
    from shared.cli.up import run_stack

    code = run_stack(
        data_dir,
        host,
        port,
        isolated=isolated,
        verbose=verbose,
        subscribers_port=subscribers_port,
    )
    raise typer.Exit(code)


@app.command()
def run(
    services: Annotated[
        list[str],
        typer.Argument(
            envvar="MINIRAG_SERVICE", help="gateway, ingest, chat, …; or `all` in one process."
        ),
    ],
) -> None:
    """Run services against NATS_URL, DATABASE_URL and QDRANT_URL."""
    # Hardly anything that is loaded goes again. `main` looks for garbage once all of it is there.
    gc.disable()
    import shared.cli.broker_client  # noqa: F401  before all that loads nats-py
    from shared.runtime.process import SERVICES, main

    unknown = sorted(set(services) - {*SERVICES, "all"})
    if unknown:
        raise typer.BadParameter(f"no such service: {', '.join(unknown)}")
    main(services)


@app.command()
def healthcheck(
    service: Annotated[str, typer.Argument(envvar="MINIRAG_SERVICE", help="Which service.")],
    live: Annotated[
        bool, typer.Option("--live", help="Only whether its event loop turns; asks nobody.")
    ] = False,
) -> None:
    """Tell by the exit code whether the service in this container does its work."""
    if live:
        from shared.cli.liveness import check_live

        check_live(service)
    else:
        import shared.cli.broker_client  # noqa: F401  before all that loads nats-py
        from shared.cli.healthcheck import check_ready

        asyncio.run(check_ready(service))


@app.command()
def init(
    directory: Annotated[
        Path, typer.Option("--dir", help="The folder of docker-compose.yml.")
    ] = Path(),
    domain: Annotated[
        str, typer.Option(help="The name under which it will be reached.")
    ] = "localhost",
) -> None:
    """Make the secrets and folders that docker-compose.yml needs; replaces nothing."""
    from shared.cli.init import init as run_init

    for path in run_init(directory, domain):
        typer.echo(f"made {path}")


@app.command()
def migrate() -> None:
    """Make the database and the services' roles from an administrator's address."""
    from shared.cli.migrate import migrate as run_migrate

    asyncio.run(run_migrate())
    typer.echo("database and roles are there")


@app.command()
def ask(question: str, bot: BotOption = None, data_dir: DataDirOption = DEFAULT) -> None:
    """Ask a bot; the answer streams in with its citations."""
    from shared.cli.ask import ask as run_ask
    from shared.cli.client import Credentials, running_url

    url, credentials = running_url(data_dir), Credentials.read(data_dir)
    if not asyncio.run(run_ask(url, credentials, question, bot)):
        raise typer.Exit(EXIT_FAILED)


@app.command("eval")
def evaluate(
    bot: Annotated[str, typer.Argument(help="A bot by its id or name.")],
    suite: Annotated[str, typer.Option(help="One of its suites by id or title.")],
    variant: Annotated[
        list[str] | None,
        typer.Option(
            help="Beside the published bot: name=value,… or JSON or @file; again up to 3."
        ),
    ] = None,
    judged: Annotated[
        bool, typer.Option("--judged", help="Have a model rate and compare.")
    ] = False,
    least: Annotated[
        float, typer.Option("--min-score", min=0, max=1, help="Fail below this mean score.")
    ] = 0.0,
    url: Annotated[str | None, typer.Option(help="Another installation; with --token.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="MINIRAG_TOKEN", help="Left out, the demo tenant's.")
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = DEFAULT,
) -> None:
    """Run a suite over a bot and variants of it; exit 1 if one is significantly worse."""
    from shared.cli.client import Credentials, running_url
    from shared.cli.evaluate import evaluate as run_evaluate, variant_of

    done = asyncio.run(
        run_evaluate(
            url or running_url(data_dir),
            token or Credentials.read(data_dir).token,
            bot,
            suite,
            [variant_of(text) for text in variant or ()],
            judged=judged,
            least=least,
            as_json=as_json,
        )
    )
    if not done:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def events(
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")
    ] = False,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type; may be given again.")
    ] = None,
    data_dir: DataDirOption = DEFAULT,
) -> None:
    """Show what happened, or with `--follow` what happens, a line for each event."""
    from shared.cli.client import Credentials, running_url
    from shared.cli.events import follow, show

    url, credentials = running_url(data_dir), Credentials.read(data_dir)
    asyncio.run((follow if following else show)(url, credentials, types or ()))


@app.command("import")
def import_(
    target: Annotated[str, typer.Argument(help="An address, a file or a folder.")],
    bot: BotOption = None,
    data_dir: DataDirOption = DEFAULT,
) -> None:
    """Add sources and wait until each of them is ready."""
    from shared.cli.client import Credentials, running_url
    from shared.cli.imports import import_all

    url, credentials = running_url(data_dir), Credentials.read(data_dir)
    if not asyncio.run(import_all(url, credentials, target, bot)):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def status(data_dir: DataDirOption = DEFAULT) -> None:
    """Show services, streams, consumer lag and read-model positions."""
    from shared.cli.status import show

    if not asyncio.run(show(data_dir)):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def doctor(as_json: JsonOption = False, data_dir: DataDirOption = DEFAULT) -> None:
    """Look at disk, log, broker, services and everything that waits; changes nothing."""
    from shared.cli.doctor import examine

    if not asyncio.run(examine(data_dir, as_json=as_json)):
        raise typer.Exit(EXIT_FAILED)


@config.command("check")
def check_config(
    services: Annotated[
        list[str] | None,
        typer.Argument(envvar="MINIRAG_SERVICE", help="gateway, …; all of them if left out."),
    ] = None,
) -> None:
    """Read the settings as services do and tell everything that is wrong with them."""
    from shared.cli.config import check

    if not check(services or ["all"], app):
        raise typer.Exit(EXIT_UNUSABLE)


@app.command()
def rebuild(
    read_model: Annotated[str, typer.Argument(help="identity, sources, bots, chats or index")],
    data_dir: DataDirOption = DEFAULT,
) -> None:
    """Make a read model or the index anew from the log, beside the old one, and swap."""
    from shared.cli.status import rebuild as run_rebuild

    asyncio.run(run_rebuild(data_dir, read_model))


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder; with a backup in it, what is new.")],
    data_dir: DataDirOption = DEFAULT,
    environment: EnvironmentOption = False,
    keys: Annotated[bool, typer.Option("--keys/--no-keys", help="Take secrets.json along.")] = True,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only read the backup that is there, and check it.")
    ] = False,
) -> None:
    """Save the log, all pending work, the vault and the blobs, while everything runs."""
    from shared.cli.backups import backup as run_backup, check

    if not verify:
        asyncio.run(run_backup(data_dir, target, environment=environment, with_keys=keys))
    elif not asyncio.run(check(target)):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="The folder of a backup.")],
    data_dir: DataDirOption = DEFAULT,
    environment: EnvironmentOption = False,
    secrets: Annotated[
        Path | None, typer.Option(help="The secrets.json, if the backup was taken without.")
    ] = None,
) -> None:
    """Bring a backup onto an empty data directory; the next start makes the read models anew."""
    from shared.cli.backups import restore as run_restore

    asyncio.run(run_restore(data_dir, source, environment=environment, secrets=secrets))


@tenant.command("disable")
def disable_tenant(slug: str, data_dir: DataDirOption = DEFAULT) -> None:
    """Shut a tenant out: its logins, tokens and widgets open nothing. Its data stays."""
    from shared.cli.tenants import switch

    asyncio.run(switch(data_dir, slug, active=False))


@tenant.command("enable")
def enable_tenant(slug: str, data_dir: DataDirOption = DEFAULT) -> None:
    """Let a tenant in again."""
    from shared.cli.tenants import switch

    asyncio.run(switch(data_dir, slug, active=True))


@tenant.command("export")
def export_tenant(
    slug: str,
    file: Annotated[Path, typer.Argument(help="The archive to make; it must not be there.")],
    data_dir: DataDirOption = DEFAULT,
) -> None:
    """Write a tenant with its whole history as one archive, personal text in clear."""
    from shared.cli.moving import export

    asyncio.run(export(data_dir, slug, file))


@tenant.command("import")
def import_tenant(
    file: Annotated[Path, typer.Argument(help="An archive that `tenant export` made.")],
    slug: Annotated[
        str | None, typer.Option(help="Another slug, where its own is taken here.")
    ] = None,
    data_dir: DataDirOption = DEFAULT,
) -> None:
    """Take a tenant from an archive in, and show a token of its owner once."""
    from shared.cli.moving import import_

    asyncio.run(import_(data_dir, file, slug))


@erase.command("chat")
def erase_chat(
    slug: SlugArgument, chat_id: str, yes: YesOption = False, data_dir: DataDirOption = DEFAULT
) -> None:
    """What was said in one chat."""
    _erase(data_dir, slug, "chat", chat_id, yes=yes)


@erase.command("visitor")
def erase_visitor(
    slug: SlugArgument, visitor_id: str, yes: YesOption = False, data_dir: DataDirOption = DEFAULT
) -> None:
    """All chats of a visitor of a web page."""
    _erase(data_dir, slug, "visitor", visitor_id, yes=yes)


@erase.command("user")
def erase_user(
    slug: SlugArgument, user_id: str, yes: YesOption = False, data_dir: DataDirOption = DEFAULT
) -> None:
    """A user of a tenant: name, address, password, sessions, tokens."""
    _erase(data_dir, slug, "user", user_id, yes=yes)


@erase.command("tenant")
def erase_tenant(
    slug: SlugArgument, yes: YesOption = False, data_dir: DataDirOption = DEFAULT
) -> None:
    """A tenant with everything that is in it."""
    _erase(data_dir, slug, "tenant", None, yes=yes)


@dead_letters.command("list")
def list_dead_letters(
    state: StateOption = "open", as_json: JsonOption = False, data_dir: DataDirOption = DEFAULT
) -> None:
    """A line for each, the oldest first."""
    from shared.cli.letters import show_all, show_settled

    if state == "open":
        asyncio.run(show_all(data_dir, as_json=as_json))
    else:
        asyncio.run(show_settled(data_dir, state, as_json=as_json))


@dead_letters.command("show")
def show_dead_letter(number: int, data_dir: DataDirOption = DEFAULT) -> None:
    """One of them with headers and body, as JSON; what is encrypted stays so."""
    from shared.cli.letters import show

    asyncio.run(show(data_dir, number))


@dead_letters.command("replay")
def replay_dead_letter(number: int, data_dir: DataDirOption = DEFAULT) -> None:
    """Do it once more; the letter stays if it cannot be taken in again."""
    from shared.cli.letters import replay

    asyncio.run(replay(data_dir, number))


@dead_letters.command("discard")
def discard_dead_letter(number: int, data_dir: DataDirOption = DEFAULT) -> None:
    """Let it go for good."""
    from shared.cli.letters import discard

    asyncio.run(discard(data_dir, number))


def _erase(
    data_dir: Path, slug: str, kind: "ErasureKind", subject_id: str | None, *, yes: bool
) -> None:
    from shared.cli.erasing import erase as run_erase

    asyncio.run(run_erase(data_dir, slug, kind, subject_id, yes=yes))


def main() -> None:
    """What the console script calls. Errors made on purpose are told in a line, not as a trace."""
    from shared.kernel.errors import MiniRagError, Unusable

    try:
        app()
    except (MiniRagError, ValueError) as error:
        typer.echo(f"minirag: {error}", err=True)
        failed = isinstance(error, MiniRagError) and not isinstance(error, Unusable)
        raise SystemExit(EXIT_FAILED if failed else EXIT_UNUSABLE) from None


if __name__ == "__main__":
    main()
