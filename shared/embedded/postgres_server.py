"""Postgres from the binaries in its wheel, as a small server that only loopback reaches."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGQUIT
from urllib.parse import quote

import asyncpg
import psutil

from shared.embedded.child import Child, Launch
from shared.embedded.data_dir import DataDir
from shared.embedded.leftovers import end, working_for
from shared.embedded.placement import Placement, place
from shared.embedded.ports import LOOPBACK, is_free
from shared.embedded.secrets import Secrets
from shared.embedded.surroundings import server_environment
from shared.kernel.errors import Unavailable, Unusable

SUPERUSER = "postgres"
START_SECONDS = 120.0
"""Recovery after a crash replays at most `max_wal_size` of log."""
ORPHAN_SECONDS = 10.0
"""How long backends may outlive a killed server before starting it again is given up."""
FAST_SECONDS, IMMEDIATE_SECONDS = 10.0, 3.0
STATUS_LINE = 7
"""Of `postmaster.pid`, counted from 0: `ready` once connections are taken, as `pg_ctl` reads it."""
DURABLE = ("fsync", "full_page_writes", "synchronous_commit", "data_checksums")

CONFIG = """\
# Written at every start.
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 100
password_encryption = 'scram-sha-256'

fsync = on
full_page_writes = on
synchronous_commit = on

shared_buffers = 32MB
work_mem = 8MB
maintenance_work_mem = 32MB
temp_buffers = 2MB
max_wal_size = 256MB
min_wal_size = 32MB
wal_recycle = off  # a segment that is used again holds what was erased
checkpoint_timeout = 15min
wal_level = minimal
max_wal_senders = 0
max_replication_slots = 0
max_logical_replication_workers = 0
max_worker_processes = 2
max_parallel_workers = 0
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
autovacuum_max_workers = 2
io_method = sync
jit = off
huge_pages = off

timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, mdy'
lc_messages = 'C'
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
log_error_verbosity = terse  # details quote rows, and rows hold people's words
log_statement = 'none'
cluster_name = 'minirag'
"""


class PostgresServer:
    """One Postgres on a data directory. `start` again after it has ended."""

    def __init__(
        self,
        home: DataDir,
        secrets: Secrets,
        *,
        port: int,
        placing: Callable[[DataDir], Placement] = place,
    ) -> None:
        self.child = Child("postgres", home)
        self.port = port
        self._home = home
        self._password = secrets.postgres_password
        self._placing = placing
        self._placement: Placement | None = None

    @property
    def admin_dsn(self) -> str:
        """Of the superuser, in the maintenance database."""
        return self.dsn(SUPERUSER, self._password, "postgres")

    def dsn(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@{LOOPBACK}:{self.port}/{database}"

    async def start(self) -> None:
        """Start, recover if need be, and wait until it takes connections.

        Raises `Unavailable` if it does not get there, `Unusable` if it is set to lose commits or
        its password is not the one in the data directory.
        """
        if not is_free(self.port):
            raise Unavailable(f"port {self.port} of Postgres is taken by another program")
        placement = self._placement
        if placement is None:
            placement = self._placement = await asyncio.to_thread(self._placing, self._home)
        if not await asyncio.to_thread((placement.cluster / "PG_VERSION").exists):
            await self._make_cluster(placement)
        await asyncio.to_thread(self._prepare, placement)
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._launch(placement)
            await self._check()
        except TimeoutError as error:
            await self.stop()
            raise Unavailable(f"Postgres did not get ready:\n{self.child.tail()}") from error
        except (Unusable, Unavailable):
            await self.stop()
            raise

    async def stop(self) -> None:
        """Disconnect everybody and shut down; give up waiting after a while."""
        await self.child.stop((SIGINT, FAST_SECONDS), (SIGQUIT, IMMEDIATE_SECONDS))

    async def _launch(self, placement: Placement) -> None:
        """A killed server's backends may hold its memory for a moment; try until they are gone."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + ORPHAN_SECONDS
        while True:
            await self.child.start(self._command(placement, "postgres", "-D", placement.cluster))
            if await self._until_ready(placement):
                return
            said = await asyncio.to_thread(self.child.tail)
            if "still in use" not in said or loop.time() > give_up:
                raise Unavailable(f"Postgres ended at its start:\n{said}")
            await asyncio.sleep(0.2)

    async def _until_ready(self, placement: Placement) -> bool:
        """False if it ended instead."""
        while self.child.running:
            if await asyncio.to_thread(_ready, placement.cluster, self.child.pid):
                return True
            await asyncio.sleep(0.02)
        return False

    async def _make_cluster(self, placement: Placement) -> None:
        """Beside its place, then moved there: a making that was cut short leaves no cluster."""
        part = placement.home / "cluster.part"
        password_file = placement.home / "password"
        await asyncio.to_thread(self._clear_for_cluster, part, password_file, placement)
        making = Child("initdb", self._home)
        await making.start(
            self._command(
                placement,
                "initdb",
                f"--pgdata={part}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
            )
        )
        try:
            code = await making.wait()
        finally:
            await making.stop()
            await asyncio.to_thread(password_file.unlink, missing_ok=True)
        if code != 0:
            raise Unusable(f"Postgres could not make its files:\n{making.tail()}")
        await asyncio.to_thread(part.rename, placement.cluster)

    def _clear_for_cluster(self, part: Path, password_file: Path, placement: Placement) -> None:
        shutil.rmtree(part, ignore_errors=True)
        password_file.unlink(missing_ok=True)
        _write_for(placement, password_file, self._password)

    def _prepare(self, placement: Placement) -> None:
        config = placement.cluster / "postgresql.conf"
        beside = config.with_suffix(".part")
        beside.unlink(missing_ok=True)
        _write_for(placement, beside, CONFIG.format(host=LOOPBACK, port=self.port))
        beside.rename(config)
        _clear_stale_lock(placement.cluster, self._home.path)

    def _command(self, placement: Placement, program: str, *arguments: str | Path) -> Launch:
        argv = [str(placement.programs / "bin" / program), *map(str, arguments)]
        return Launch(
            argv,
            server_environment(),
            account=placement.account,
            cwd=Path("/"),
            orphaned=SIGINT,
        )

    async def _check(self) -> None:
        try:
            db = await asyncpg.connect(self.admin_dsn, timeout=10, ssl=False)
        except asyncpg.InvalidPasswordError as error:
            raise Unusable(
                "Postgres does not take the password in secrets.json: file and data directory do "
                "not belong together"
            ) from error
        except (OSError, asyncpg.PostgresError) as error:
            raise Unavailable(f"Postgres takes no connection: {error}") from error
        try:
            rows = await db.fetch(
                "select name, setting from pg_settings where name = any($1)", list(DURABLE)
            )
        finally:
            await db.close()
        lax = sorted(row["name"] for row in rows if row["setting"] != "on")
        if lax:
            raise Unusable(f"Postgres would lose commits in a power cut: {', '.join(lax)} is off")


def _write_for(placement: Placement, path: Path, text: str) -> None:
    """A new file of whoever runs Postgres. It is in a folder of theirs, so no link is followed."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        if placement.account is not None:
            os.fchown(file.fileno(), placement.account.uid, placement.account.gid)
        file.write(text)


def _ready(cluster: Path, pid: int | None) -> bool:
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > STATUS_LINE and (lines[0], lines[STATUS_LINE].strip()) == (
        str(pid),
        "ready",
    )


def _clear_stale_lock(cluster: Path, home: Path) -> None:
    """Remove what a killed Postgres left, ending it first if it lives after all.

    Postgres itself takes any living process with the recorded id for its predecessor. Sockets
    lie here if the folder was copied from a server that used them.
    """
    lock = cluster / "postmaster.pid"
    try:
        recorded = int(lock.read_text().split(maxsplit=1)[0])
        predecessor = psutil.Process(recorded)
        if predecessor.name() == "postgres" and working_for(predecessor, [home, cluster]):
            end([predecessor], SIGINT)
    except (OSError, ValueError, IndexError, psutil.Error):
        pass
    for stale in (lock, *cluster.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
