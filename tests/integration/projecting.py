"""A process that projects accounts until it is killed: `python -m … <name of the read model>`."""

import asyncio
import os
import sys

from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.postgres import create_engine
from shared.adapters.projector import Projector
from shared.adapters.read_model import ReadModelStore
from shared.adapters.vault import BUCKET, Keyring, Vault
from shared.kernel.decoding import EventRegistry
from tests.bank.messages import EVENTS
from tests.bank.rows import accounts_model


async def main() -> None:
    client = await nats_client.connect(os.environ["NATS_URL"], "projecting")
    bucket = await client.jetstream().key_value(BUCKET)
    codec = Codec(Vault(bucket, Keyring.parse(os.environ["VAULT_KEY"])), EventRegistry(EVENTS))
    engine = create_engine(os.environ["DATABASE_URL"], "projecting")
    store = ReadModelStore(engine, accounts_model(name=sys.argv[1]))
    print("projecting", flush=True)
    await Projector(store, EventLog(client, codec, "tests")).run()


if __name__ == "__main__":
    asyncio.run(main())
