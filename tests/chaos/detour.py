"""`minirag up` without its demo, whose services reach broker and database through proxies.

A program: with `--data-dir` and `--port` it is the supervisor, as `minirag up --isolated`, and with
names of services those services. `DETOURS` holds the port of each proxy by the server's name; if it
is unset there are none. `PINGS` holds the seconds between two pings of the broker's clients, if it
is set.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

DETOURS = "DETOURS"
PINGS = "PINGS"
LONGEST_PAUSE = 0.5
"""Seconds before a process is started again, however often it has ended: here that is no fault of
its own."""


def main() -> None:
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        _serve()
    else:
        _supervise()


def led(env: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """The addresses in `env`, as they lead through the proxies."""
    found = {name: env[name] for name in env if name.endswith("DATABASE_URL")}
    named = {"NATS_URL": "nats", **dict.fromkeys(found, "postgres")}
    return {name: _through(env[name], ports[server]) for name, server in named.items()}


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    who = parts.netloc.rsplit("@", 1)[0]
    return urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{port}"))


def _serve() -> None:
    from shared.adapters import nats_client
    from shared.cli import app

    if PINGS in os.environ:
        nats_client.PING_SECONDS = int(os.environ[PINGS])
    if DETOURS in os.environ:
        os.environ |= led(os.environ, json.loads(os.environ[DETOURS]))
    sys.argv[1:1] = ["run"]
    app.main()


def _supervise() -> None:
    from shared.cli.up import elapsed_lines
    from shared.embedded import keeping
    from shared.embedded.supervisor import Plan, Supervisor

    keeping.LONGEST_PAUSE = LONGEST_PAUSE

    options = argparse.ArgumentParser()
    options.add_argument("--data-dir", type=Path, required=True)
    options.add_argument("--port", type=int, required=True)
    given = options.parse_args()
    plan = Plan(
        data_dir=given.data_dir,
        command=(sys.executable, "-P", __file__),
        port=given.port,
        isolated=True,
    )
    sys.exit(asyncio.run(Supervisor(plan, elapsed_lines()).run()))


if __name__ == "__main__":
    main()
