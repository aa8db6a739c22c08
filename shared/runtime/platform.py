"""What every service is given before it is built: broker, log, vault, blobs."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from faststream.nats import NatsBroker
from nats.aio.client import Client
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from shared.adapters import nats_client
from shared.adapters.blobs import Blobs
from shared.adapters.connections import Connections
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.guard import Guard
from shared.adapters.postgres import create_engine
from shared.adapters.topology import ensure_streams, keep_streams
from shared.adapters.unused import Unused
from shared.adapters.vault import BUCKET, Keyring, Vault
from shared.kernel.errors import Unusable
from shared.kernel.registry import REGISTRY
from shared.runtime.log_damage import heed_damage
from shared.runtime.neighbours import Neighbours
from shared.runtime.settings import ServiceSettings
from shared.telemetry import metrics


@dataclass(frozen=True)
class Platform:
    """Open connections of one service in one process."""

    service: str
    broker: NatsBroker
    client: Client
    event_log: EventLog
    codec: Codec
    vault: Vault
    blobs: Blobs
    engine: AsyncEngine
    keep_streams: Callable[[], Coroutine[Any, Any, None]]
    """To be run for as long as the service."""
    heed_damage: Callable[[], Coroutine[Any, Any, None]]
    """The same."""
    guard: Guard
    close_unused: Callable[[], Coroutine[Any, Any, None]]
    """Connections to the database; to be run as well."""
    neighbours: Neighbours = field(default_factory=Neighbours)

    @classmethod
    async def open(
        cls,
        service: str,
        settings: ServiceSettings,
        stack: AsyncExitStack,
        neighbours: Neighbours,
    ) -> "Platform":
        """Connect and provision; closed by `stack`. Raises `Unusable` if the broker's streams
        differ in a way that cannot be applied.
        """
        came_back = asyncio.Event()
        broker = NatsBroker(
            settings.nats_url.get_secret_value(),
            logger=None,
            apply_types=False,  # bodies are read where questions are answered
            **nats_client.options(f"minirag-{service}", on_return=came_back.set),
        )
        await broker.connect()
        stack.push_async_callback(broker.stop)
        client = broker.connection
        if client is None:
            raise Unusable("the broker is not connected")
        await ensure_streams(client, replicas=settings.stream_replicas)
        bucket = await client.jetstream().key_value(BUCKET)
        keyring = Keyring.parse(settings.vault_key.get_secret_value())
        vault = Vault(bucket, keyring, neighbours.keys)
        await vault.follow(client)
        codec = Codec(vault, REGISTRY)
        event_log = EventLog(client, codec, service)
        engine = create_engine(settings.database_url.get_secret_value(), f"minirag-{service}")
        stack.push_async_callback(engine.dispose)
        if isinstance(engine.pool, QueuePool):
            pool, at_hand = engine.pool, Connections.of(engine)
            used = metrics.CONNECTIONS.labels(service)
            used.set_function(lambda: pool.checkedout() - at_hand.unused)
        return cls(
            service=service,
            broker=broker,
            client=client,
            event_log=event_log,
            codec=codec,
            vault=vault,
            blobs=Blobs.open(settings.blob_url, erased=vault.knows_erased),
            engine=engine,
            keep_streams=partial(
                keep_streams, client, came_back, replicas=settings.stream_replicas
            ),
            heed_damage=partial(heed_damage, settings.log_damage_file, event_log),
            guard=Guard(engine),
            close_unused=Unused(engine).run,
            neighbours=neighbours,
        )
