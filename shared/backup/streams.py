"""Reads streams as they are stored, whatever they hold."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api
from nats.js.errors import NotFoundError

from shared.adapters.pull import Pull, PullEnded
from shared.backup.archive import Durable, Stored
from shared.kernel.errors import Unavailable
from shared.kernel.ids import new_id

BATCH: Final = 200
IDLE_SECONDS: Final = 60.0
TIMEOUT: Final = 10.0


async def messages(
    client: Client, stream: str, after: int = 0
) -> AsyncGenerator[list[Stored], None]:
    """Everything in a stream behind `after`, in order, until nothing is left.

    Raises `Unavailable` if the broker does not answer, or restarts meanwhile.
    """
    js = client.jetstream(timeout=TIMEOUT)
    try:
        config = (await js.stream_info(stream)).config
        # A queue gives its messages to its consumers only.
        queue = config.retention == api.RetentionPolicy.WORK_QUEUE
        async for batch in _one_by_one(client, stream) if queue else _read(client, stream, after):
            yield batch
    except (nats.errors.Error, PullEnded, TimeoutError) as error:
        raise Unavailable(f"the broker does not give out {stream}: {error!r}") from error


async def durables(client: Client, stream: str) -> list[Durable]:
    """Its consumers, and what each of them has settled. Raises `Unavailable`."""
    try:
        found = await client.jetstream(timeout=TIMEOUT).consumers_info(stream)
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable(f"the broker does not tell the consumers of {stream}") from error
    return [
        Durable(
            config=consumer.config.as_dict(),
            settled=consumer.ack_floor.stream_seq if consumer.ack_floor else 0,
        )
        for consumer in found
        if consumer.config.durable_name
    ]


async def _one_by_one(client: Client, stream: str) -> AsyncGenerator[list[Stored], None]:
    js = client.jetstream(timeout=TIMEOUT)
    sequence = 0
    while True:
        try:
            found = await js.get_msg(stream, seq=sequence + 1, subject=">", next=True)
        except NotFoundError:
            return
        sequence = found.seq or 0
        headers, data = found.headers or {}, found.data or b""
        yield [Stored(sequence=sequence, subject=found.subject or "", headers=headers, data=data)]


async def _read(client: Client, stream: str, after: int) -> AsyncGenerator[list[Stored], None]:
    name = f"backup-{new_id()}"
    config = api.ConsumerConfig(
        name=name,
        deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        ack_policy=api.AckPolicy.NONE,
        mem_storage=True,
        num_replicas=1,
        inactive_threshold=IDLE_SECONDS,
    )
    info = await client.jetstream(timeout=TIMEOUT).add_consumer(stream, config)
    if not info.num_pending:
        return
    pull = Pull(client, stream, name, batch=BATCH * 2)
    await pull.start()
    try:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):  # at a damage the broker may fall silent
                taken = await pull.get(BATCH)
            yield [_stored(message) for message in taken]
            if int(taken[-1].reply.split(".")[8]) == 0:
                return
    finally:
        await pull.stop()


def _stored(message: Msg) -> Stored:
    sequence = int(message.reply.split(".")[5])
    return Stored(
        sequence=sequence,
        subject=message.subject,
        headers=message.headers or {},
        data=message.data,
    )
