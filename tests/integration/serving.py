"""The bank as a running service, and somebody who orders from it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters import nats_client
from shared.adapters.blobs import Blobs
from shared.adapters.envelope import Codec
from shared.adapters.event_log import EventLog
from shared.adapters.guard import Guard
from shared.adapters.read_model import ReadModelStore
from shared.adapters.topology import keep_streams
from shared.adapters.unused import Unused
from shared.adapters.vault import Vault
from shared.contracts.base import Metadata, Question
from shared.runtime.consumer import Consumer
from shared.runtime.lanes import STREAM
from shared.runtime.log_damage import heed_damage
from shared.runtime.platform import Platform
from shared.runtime.service import Service
from tests.bank.messages import AccountView, Deposit, OpenAccount, Withdraw
from tests.bank.rows import AccountQueries, accounts_model

SECONDS = 120.0
ATTEMPTS = 2
"""Instead of those that take minutes."""


class GetAccount(Question[AccountView]):
    service: ClassVar[str] = "bank"
    name: ClassVar[str] = "get_account"
    account_id: str


class GetKeptAccount(Question[AccountView]):
    """Its answer is kept until rows of its tenant change."""

    service: ClassVar[str] = "bank"
    name: ClassVar[str] = "get_kept_account"
    account_id: str


async def _nothing(*_: Any) -> None:
    """Forbids nothing."""


@dataclass
class Bank:
    """A service that takes commands to accounts; add to it before it runs."""

    service: Service
    store: ReadModelStore
    check: Callable[[Any, Metadata], Awaitable[None]] = _nothing
    """Asked before every decision."""
    read: int = 0
    """How often rows were read for a kept answer."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    life: asyncio.Future[None] = field(init=False)
    """Ends when the service does, with its error."""

    @classmethod
    def on(cls, platform: Platform) -> "Bank":
        service = Service(platform)
        bank = cls(service, service.keeps(accounts_model()))

        async def check(command: Any, meta: Metadata) -> None:
            await bank.check(command, meta)

        async def get_account(question: GetAccount, meta: Metadata) -> AccountView:
            return await bank.queries.account(meta.tenant_id, question.account_id)

        service.takes(bank.store, [OpenAccount, Deposit, Withdraw], check)

        async def get_kept(question: GetKeptAccount, meta: Metadata) -> AccountView:
            bank.read += 1
            return await bank.queries.account(meta.tenant_id, question.account_id)

        service.answers(GetAccount, get_account)
        service.answers(GetKeptAccount, get_kept, service.remembers(bank.store))
        return bank

    @property
    def queries(self) -> AccountQueries:
        return AccountQueries(self.store)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bank"]:
        """Until the block ends or `stopping` is set; then it drains. Leaves nothing behind."""
        for consumer in self.service._consumers:
            consumer._max_attempts = min(consumer._max_attempts, ATTEMPTS)
        self.life = asyncio.ensure_future(self.service.run(self.stopping))
        ready = asyncio.ensure_future(self.service.ready.wait())
        try:
            await asyncio.wait({self.life, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                self.life.result()  # raises why it did not come up
            yield self
            self.stopping.set()
            await asyncio.wait_for(self.life, SECONDS)
        finally:
            ready.cancel()
            self.life.cancel()
            await asyncio.wait({self.life})
            await self._tidy()

    async def _tidy(self) -> None:
        """A work queue has one consumer for a subject: leave it to the next test."""
        js = self.service.platform.client.jetstream()
        names = [(c.stream, c._name) for c in self.service._consumers if isinstance(c, Consumer)]
        lanes = await js.consumers_info(STREAM)
        mine = f"{self.service.name}-"
        names += [(STREAM, lane.name) for lane in lanes if lane.name.startswith(mine)]
        for stream, name in names:
            with contextlib.suppress(NotFoundError):
                await js.delete_consumer(stream, name)
        await self.service.platform.broker.stop()
        await self.store.drop()


async def open_platform(
    url: str, service: str, engine: AsyncEngine, codec: Codec, vault: Vault, blobs: Blobs
) -> Platform:
    """What a service is given, on the servers of all tests."""
    came_back = asyncio.Event()
    options = nats_client.options(service, on_return=came_back.set)
    broker = NatsBroker(url, logger=None, apply_types=False, **options)
    await broker.connect()
    client: Client | None = broker.connection
    assert client is not None
    event_log = EventLog(client, codec, service)
    return Platform(
        service=service,
        broker=broker,
        client=client,
        event_log=event_log,
        codec=codec,
        vault=vault,
        blobs=blobs,
        engine=engine,
        keep_streams=partial(keep_streams, client, came_back),
        heed_damage=partial(heed_damage, None, event_log),
        guard=Guard(engine),
        close_unused=Unused(engine).run,
    )
