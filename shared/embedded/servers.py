"""NATS and Postgres together, without services: for the supervisor, and for the test suite."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT

from shared.adapters.provision import DATABASE, provision, role
from shared.embedded.data_dir import DataDir
from shared.embedded.leftovers import end_leftovers
from shared.embedded.nats_server import NatsServer, OutsideDoor
from shared.embedded.placement import Placement, place
from shared.embedded.ports import keep_ports
from shared.embedded.postgres_server import PostgresServer
from shared.embedded.secrets import Secrets, keep_secrets
from shared.embedded.surroundings import SERVICES

Say = Callable[[str], None]


class Servers:
    """Both servers on one data directory, whose lock the caller holds."""

    def __init__(
        self,
        home: DataDir,
        services: Sequence[str] = SERVICES,
        placing: Callable[[DataDir], Placement] = place,
        outside: OutsideDoor | None = None,
    ) -> None:
        """Reads and writes the data directory; not for the event loop."""
        self.ended = end_leftovers(home.pids, home.path, {"postgres": SIGINT})
        """Names of processes that a killed supervisor had left."""
        self.secrets: Secrets = keep_secrets(home.secrets, services)
        ports = keep_ports(home.ports, ("nats", "nats_monitor", "postgres"))
        self.nats = NatsServer(
            home, self.secrets, port=ports["nats"], monitor=ports["nats_monitor"], outside=outside
        )
        self.postgres = PostgresServer(home, self.secrets, port=ports["postgres"], placing=placing)
        self._services = services

    @property
    def nats_url(self) -> str:
        return self.nats.url

    @property
    def admin_dsn(self) -> str:
        """Of the Postgres superuser."""
        return self.postgres.admin_dsn

    def database_url(self, service: str) -> str:
        """Of the database, with the service's own role. Raises `KeyError` for others."""
        password = self.secrets.database_passwords[service]
        return self.postgres.dsn(role(service), password, DATABASE)

    async def start(self, say: Say = lambda _: None) -> None:
        """Start both, and provision. Raises `Unavailable` or `Unusable`, alone or in a group."""

        async def broker() -> None:
            await self.nats.start()
            say(f"nats-server ready on port {self.nats.port}, syncs every write")

        async def database() -> None:
            await self.postgres.start()
            passwords = {name: self.secrets.database_passwords[name] for name in self._services}
            await provision(self.admin_dsn, passwords)
            say(f"Postgres ready on port {self.postgres.port}, a role for every service")

        async with asyncio.TaskGroup() as starting:
            starting.create_task(broker())
            starting.create_task(database())

    async def stop(self) -> None:
        """Postgres first: what it holds is made from what NATS holds."""
        await self.postgres.stop()
        await self.nats.stop()


@asynccontextmanager
async def embedded_servers(
    data_dir: Path, services: Sequence[str] = SERVICES
) -> AsyncGenerator[Servers, None]:
    """Both servers, running and provisioned, on an empty folder or on one of an earlier run."""
    home = DataDir(data_dir)
    await asyncio.to_thread(home.acquire)
    try:
        servers = await asyncio.to_thread(Servers, home, services)
        try:
            await servers.start()
            yield servers
        finally:
            await servers.stop()
    finally:
        home.release()
