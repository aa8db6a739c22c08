"""The servers of one data directory: who they are, where they listen, what services are told."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from shared.local.nats_server import NatsServer
from shared.local.postgres_server import PostgresServer
from shared.local.processes import end_leftovers, free_port
from shared.local.secrets import SERVICES, Secrets

PORTS = "ports.json"


@dataclass(frozen=True)
class Stack:
    """Definitions only; nothing runs yet."""

    data_dir: Path
    secrets: Secrets
    nats: NatsServer
    postgres: PostgresServer

    @classmethod
    def of(cls, data_dir: Path) -> "Stack":
        """Of a data directory, which is made if it is missing. Ports are kept while they are
        free.
        """
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        data_dir = data_dir.resolve()
        secrets = Secrets.of(data_dir)
        file = data_dir / PORTS
        kept = orjson.loads(file.read_bytes()) if file.exists() else {}
        ports = {name: free_port(kept.get(name)) for name in ("nats", "monitor", "postgres")}
        file.write_bytes(orjson.dumps(ports))
        return cls(
            data_dir,
            secrets,
            NatsServer(data_dir, secrets, ports["nats"], ports["monitor"]),
            PostgresServer(data_dir, secrets, ports["postgres"]),
        )

    @classmethod
    def running(cls, data_dir: Path) -> "Stack":
        """Of a data directory whose servers run already: their ports as they are."""
        data_dir = data_dir.resolve()
        ports = orjson.loads((data_dir / PORTS).read_bytes())
        secrets = Secrets.of(data_dir)
        return cls(
            data_dir,
            secrets,
            NatsServer(data_dir, secrets, ports["nats"], ports["monitor"]),
            PostgresServer(data_dir, secrets, ports["postgres"]),
        )

    def service_env(self, host: str, port: int) -> dict[str, str]:
        """What a process with services is told, on top of our own environment."""
        inherited = {
            name: value
            for name, value in os.environ.items()  # noqa: TID251  handed on to the child
            if not name.endswith("DATABASE_URL") and name != "NATS_URL"
        }
        databases = {
            f"MINIRAG_{service.upper()}_DATABASE_URL": self.postgres.url(f"minirag_{service}")
            for service in SERVICES
        }
        return {
            **inherited,
            **databases,
            "NATS_URL": self.nats.url,
            "MINIRAG_VAULT_KEY": self.secrets.vault_key,
            "MINIRAG_JWT_SECRET": self.secrets.jwt_secret,
            "MINIRAG_BLOB_URL": f"file://{self.data_dir / 'blobs'}",
            "MINIRAG_INDEX_DIR": str(self.data_dir / "index"),
            "MINIRAG_DATA_DIR": str(self.data_dir),
            "MINIRAG_HOST": host,
            "MINIRAG_PORT": str(port),
            "PYTHONUNBUFFERED": "1",
        }


@asynccontextmanager
async def embedded_servers(data_dir: Path) -> AsyncIterator[Stack]:
    """Broker and database only, for as long as the context is open."""
    await asyncio.to_thread(end_leftovers, data_dir)
    stack = await asyncio.to_thread(Stack.of, data_dir)
    nats = await stack.nats.start()
    try:
        postgres = await stack.postgres.start()
        try:
            yield stack
        finally:
            await stack.postgres.stop(postgres)
    finally:
        await stack.nats.stop(nats)
