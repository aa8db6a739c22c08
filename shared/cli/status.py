"""`minirag status` and `minirag rebuild`: what the broker and the services tell of themselves."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from nats.aio.client import Client

from shared.adapters import nats_client
from shared.adapters.blobs import Blobs
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.topology import STREAMS
from shared.adapters.vault import BUCKET, Keyring, Vault
from shared.cli.client import running_url
from shared.contracts.base import GLOBAL_TENANT, Metadata
from shared.contracts.operations import GetHealth, Rebuild, Rebuilt, ServiceHealth
from shared.embedded.data_dir import DataDir
from shared.embedded.nats_server import NatsServer
from shared.embedded.secrets import keep_secrets
from shared.embedded.surroundings import SERVICES
from shared.kernel.clock import utc_now
from shared.kernel.errors import NotFound, Unavailable
from shared.kernel.ids import new_id
from shared.kernel.registry import REGISTRY
from shared.runtime.bus import Bus

WAIT_SECONDS = 2.0
CONNECT_SECONDS = 5.0
REBUILD_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Operator:
    """A connection with the operator's eyes."""

    client: Client
    codec: Codec
    bus: Bus
    event_log: EventLog
    vault: Vault
    blobs: Blobs

    async def health(self, service: str) -> ServiceHealth | None:
        """None if the service does not answer."""
        try:
            return await self.bus.ask(
                GetHealth(),
                ServiceHealth,
                operators_metadata(),
                service=service,
                timeout=WAIT_SECONDS,
            )
        except Unavailable:
            return None


@asynccontextmanager
async def operator(data_dir: Path) -> AsyncIterator[Operator]:
    """Raises `ValueError` if nothing was started, `Unavailable` if its broker does not answer."""
    running_url(data_dir)
    # What a connection logs is for a service's log; a command tells it in its own words.
    logging.getLogger(nats_client.__name__).addHandler(logging.NullHandler())
    home = DataDir(data_dir)
    secrets = keep_secrets(home.secrets, SERVICES)
    ports = orjson.loads(home.ports.read_bytes())
    nats = NatsServer(home, secrets, port=ports["nats"], monitor=ports["nats_monitor"])
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await nats_client.connect(nats.url, "minirag-operator")
    except TimeoutError as error:
        raise Unavailable(
            f"the broker of {data_dir} does not answer: start it with `minirag up`"
        ) from error
    try:
        bucket = await client.jetstream().key_value(BUCKET)
        vault = Vault(bucket, Keyring.parse(secrets.vault_key))
        codec = Codec(vault, REGISTRY)
        bus = Bus(client, codec)
        await bus.start()
        event_log = EventLog(client, codec, "operator")
        blobs = Blobs.open(home.blobs.as_uri())
        yield Operator(client, codec, bus, event_log, vault, blobs)
    finally:
        await client.close()


async def show(data_dir: Path) -> bool:
    """Print the state of everything; tell whether all is well."""
    well = True
    async with operator(data_dir) as it:
        _say("SERVICE      STATUS     READ MODELS, AT POSITION IN THE LOG")
        for service in SERVICES:
            found = await it.health(service)
            well = well and found is not None and found.status == "ok"
            models = ", ".join(
                f"{model.name} {model.position}" + (f" ({model.lag} behind)" if model.lag else "")
                for model in (found.read_models if found else ())
            )
            _say(f"{service:12} {found.status if found else 'no answer':10} {models}")
        _say(
            "\nSTREAM       MESSAGES       BYTES   LAST  CONSUMER                  WAITING  UNACKED"
        )
        js = it.client.jetstream()
        for stream in STREAMS:
            state = (await js.stream_info(stream.name or "")).state
            _say(f"{stream.name:12} {state.messages:8} {state.bytes:11} {state.last_seq:6}")
            for consumer in await js.consumers_info(stream.name or ""):
                if consumer.config.durable_name and (
                    consumer.num_pending or consumer.num_ack_pending or stream.name != "JOBS"
                ):
                    _say(
                        f"{'':41}{consumer.name:26}{consumer.num_pending:7}"
                        f"{consumer.num_ack_pending:9}"
                    )
    return well


async def rebuild(data_dir: Path, read_model: str) -> None:
    """Have the owner of `read_model` rebuild it. Raises `NotFound` if nobody keeps it, and
    `Unavailable` if that cannot be told, as somebody does not answer.
    """
    silent = []
    async with operator(data_dir) as it:
        for service in SERVICES:
            found = await it.health(service)
            if found is None:
                silent.append(service)
            if found is None or read_model not in {model.name for model in found.read_models}:
                continue
            _say(f"rebuilding {service}/{read_model} from the log; the old one answers meanwhile")
            done = await it.bus.ask(
                Rebuild(read_model=read_model),
                Rebuilt,
                operators_metadata(),
                service=service,
                timeout=REBUILD_SECONDS,
            )
            rate = done.events / done.seconds if done.seconds else 0
            _say(f"{done.events} events in {done.seconds:.2f} s ({rate:,.0f}/s)")
            return
    if silent:
        raise Unavailable(
            f"nobody else keeps {read_model!r}, and no answer from: {', '.join(silent)}"
        )
    raise NotFound(f"no service keeps a read model {read_model!r}")


def operators_metadata(tenant_id: str = GLOBAL_TENANT) -> Metadata:
    """Of what the operator asks or orders."""
    return Metadata(
        tenant_id=tenant_id,
        message_id=new_id(),
        correlation_id=new_id(),
        actor="operator",
        now=utc_now(),
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
