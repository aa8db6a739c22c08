"""One of two replicas leaves: whatever it was asked is answered, and what it was given goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js import api
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.blobs import Blobs
from shared.adapters.envelope import Codec
from shared.adapters.pull import Pull
from shared.adapters.vault import Vault
from shared.contracts.base import Metadata
from shared.embedded.servers import Servers
from shared.kernel.ids import new_id
from shared.runtime.bus import Bus
from shared.runtime.service import Service
from tests.bank.messages import AccountView, OpenAccount, metadata
from tests.eventually import eventually
from tests.integration.queues import Queue
from tests.integration.serving import SECONDS, Bank, GetAccount, open_platform

ASKERS = 24
ENOUGH = 100
"""Answers between two steps of the test."""


@pytest.fixture
async def leaver(
    bank: Bank, servers: Servers, engine: AsyncEngine, codec: Codec, vault: Vault, tmp_path: Path
) -> AsyncIterator[Service]:
    """Another replica of the bank, which only answers; whoever has started it stops it."""
    blobs = Blobs.open((tmp_path / "blobs").as_uri())
    platform = await open_platform(servers.nats_url, "bank", engine, codec, vault, blobs)
    service = Service(platform)

    async def get_account(question: GetAccount, meta: Metadata) -> AccountView:
        return await bank.queries.account(meta.tenant_id, question.account_id)

    service.answers(GetAccount, get_account)
    yield service
    await platform.broker.stop()


async def test_every_question_is_answered_while_a_replica_leaves(
    bank: Bank, leaver: Service, bus: Bus, tenant_id: str
) -> None:
    answers, over = 0, asyncio.Event()
    account_id = new_id()

    async def ask_again_and_again() -> None:
        nonlocal answers
        while not over.is_set():
            await bus.ask(GetAccount(account_id=account_id), AccountView, metadata(tenant_id))
            answers += 1

    async def so_many_more(wanted: int = ENOUGH) -> None:
        reached = answers + wanted

        async def look() -> None:
            assert answers >= reached

        await eventually(look, SECONDS)

    async with bank.running():
        order = OpenAccount(account_id=account_id, owner="Ada", number=account_id)
        await bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)
        async with asyncio.TaskGroup() as askers:
            for _ in range(ASKERS):
                askers.create_task(ask_again_and_again())
            stopping = asyncio.Event()
            life = asyncio.ensure_future(leaver.run(stopping))
            await asyncio.wait_for(leaver.ready.wait(), SECONDS)
            await so_many_more()
            stopping.set()
            await asyncio.wait_for(life, SECONDS)
            await leaver.platform.broker.stop()
            await so_many_more()
            over.set()


async def test_others_close_only_when_nobody_is_inside(bank: Bank) -> None:
    """What a service serves may need any other service of its process until it has drained."""
    closed, inside, out = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def serve(stopping: asyncio.Event) -> None:
        await stopping.wait()
        inside.set()
        await out.wait()

    bank.service.serves(serve)
    life = asyncio.ensure_future(bank.service.run(bank.stopping, closed))
    await asyncio.wait_for(bank.service.ready.wait(), SECONDS)
    bank.stopping.set()
    await asyncio.wait_for(inside.wait(), SECONDS)
    assert not bank.service.served.is_set()
    out.set()
    await asyncio.wait_for(bank.service.served.wait(), SECONDS)
    assert not life.done()
    closed.set()
    await asyncio.wait_for(life, SECONDS)
    await bank._tidy()


async def test_what_was_not_begun_goes_to_others_at_once(client: Client) -> None:
    queue = await Queue(client).make()
    patient = api.ConsumerConfig(
        durable_name="worker",
        filter_subjects=[f"{queue.name}.>"],
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=3600,
    )
    await queue.js.add_consumer(queue.name, patient)
    leaving, staying = (Pull(client, queue.name, "worker", batch=10) for _ in range(2))
    await leaving.start()
    await queue.put("a", 1, 2, 3)

    async def delivered() -> None:
        info = await queue.js.consumer_info(queue.name, "worker")
        assert info.num_ack_pending == 3

    await eventually(delivered, SECONDS)
    await leaving.give_back()
    await staying.start()
    got: list[bytes] = []
    while len(got) < 3:
        got += [one.data for one in await asyncio.wait_for(staying.get(), SECONDS)]
    assert sorted(got) == [b"1", b"2", b"3"]
    await staying.stop()
    await queue.js.delete_stream(queue.name)
