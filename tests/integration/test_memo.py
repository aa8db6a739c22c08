"""What is kept of a read model's answers is no older than its rows, and goes when they change."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

import pytest
from nats.aio.client import Client

from shared.adapters.event_log import EventLog
from shared.adapters.memo import KEPT_SECONDS, MOVING_SECONDS, Bound, Memo
from shared.adapters.projector import project
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Done, Event
from shared.runtime.commands import CommandHandler
from tests.bank.messages import AccountOpened, Deposit, metadata
from tests.bank.rows import AccountQueries
from tests.eventually import eventually
from tests.integration.faults import opened


@dataclass
class Clock:
    """Stands still until somebody moves it."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Balance:
    """Of one account, by way of a memo."""

    memo: Memo
    queries: AccountQueries
    tenant_id: str
    account_id: str
    read: int = 0
    meanwhile: list[CommandHandler] = field(default_factory=list)

    async def load(self) -> int:
        self.read += 1
        found = await self.queries.account(self.tenant_id, self.account_id)
        for handler in self.meanwhile:
            await pay_in(handler, self)
        return found.balance

    async def now(self) -> int:
        return await self.memo.of(self.tenant_id, self.account_id, self.load)


async def pay_in(handler: CommandHandler, of: Balance, amount: int = 5) -> int:
    """The position of the event."""
    order = Deposit(account_id=of.account_id, amount=amount)
    done = await handler.execute(order, metadata(of.tenant_id))
    assert isinstance(done, Done)
    return done.position


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def balance(
    store: ReadModelStore, queries: AccountQueries, clock: Clock, tenant_id: str, account_id: str
) -> Balance:
    return Balance(Memo(store, timer=clock), queries, tenant_id, account_id)


@pytest.fixture
async def kept(balance: Balance, client: Client) -> Balance:
    """Read, and kept: 0."""
    await balance.memo.follow(client)
    assert await balance.now() == 0
    assert (await balance.now(), balance.read) == (0, 1)
    return balance


async def test_keeps_nothing_before_it_hears_of_changes(balance: Balance) -> None:
    assert (await balance.now(), await balance.now(), balance.read) == (0, 0, 2)


async def test_what_a_command_of_this_process_changes_is_read_anew(
    kept: Balance, handler: CommandHandler
) -> None:
    await pay_in(handler, kept)
    assert (await kept.now(), await kept.now(), kept.read) == (5, 5, 2)


async def test_other_tenants_keep_theirs(
    kept: Balance, handler: CommandHandler, other_tenant_id: str
) -> None:
    await opened(handler, other_tenant_id)
    assert (await kept.now(), kept.read) == (0, 1)


async def test_what_changes_while_it_is_read_is_not_kept(
    balance: Balance, client: Client, handler: CommandHandler
) -> None:
    await balance.memo.follow(client)
    balance.meanwhile.append(handler)
    assert await balance.now() == 0
    balance.meanwhile.clear()
    assert await balance.now() == 5


async def test_what_changes_for_another_tenant_meanwhile_hinders_nobody(
    kept: Balance, handler: CommandHandler, other_tenant_id: str
) -> None:
    other = await opened(handler, other_tenant_id)
    theirs = Balance(kept.memo, kept.queries, other_tenant_id, other)
    theirs.meanwhile.append(handler)
    kept.memo.forget(kept.tenant_id)

    async def load() -> int:
        await theirs.load()
        return 1

    assert await kept.memo.of(kept.tenant_id, "meanwhile", load) == 1
    assert kept.memo.kept(kept.tenant_id, "meanwhile") == 1


async def test_no_more_is_kept_than_was_said(
    store: ReadModelStore, client: Client, tenant_id: str, other_tenant_id: str
) -> None:
    memo = Memo(store, bound=Bound(10, len))
    await memo.follow(client)

    async def text(length: int) -> str:
        return "x" * length

    for length in (4, 6, 5, 11):
        assert await memo.of(tenant_id, length, partial(text, length)) == "x" * length
    there = [length for length in (4, 6, 5, 11) if memo.kept(tenant_id, length) is not None]
    assert there == [5]
    assert await memo.of(other_tenant_id, 5, partial(text, 3)) == "xxx"
    assert memo.kept(tenant_id, 5) == "xxxxx"


async def test_what_another_process_changes_is_read_until_it_is_shown_here(
    kept: Balance, store: ReadModelStore, event_log: EventLog
) -> None:
    elsewhere = CommandHandler(ReadModelStore(store.engine, store.model), event_log)
    position = await store.position()
    await pay_in(elsewhere, kept)
    await heard(kept)
    assert (await kept.now(), await kept.now(), kept.read) == (5, 5, 2)
    records = await event_log.tail(kept.tenant_id, "account", kept.account_id)
    assert await project(store, records, position) is not None
    assert (await kept.now(), await kept.now(), kept.read) == (5, 5, 3)


async def test_what_is_never_shown_here_is_read_for_a_while(
    kept: Balance, store: ReadModelStore, event_log: EventLog, clock: Clock
) -> None:
    elsewhere = CommandHandler(ReadModelStore(store.engine, store.model), event_log)
    await pay_in(elsewhere, kept)
    await heard(kept)
    clock.seconds += MOVING_SECONDS - 1
    assert (await kept.now(), await kept.now(), kept.read) == (5, 5, 2)
    clock.seconds += 2
    assert (await kept.now(), await kept.now(), kept.read) == (5, 5, 3)


async def test_without_a_word_it_is_read_again_after_a_while(kept: Balance, clock: Clock) -> None:
    clock.seconds += KEPT_SECONDS + 1
    assert (await kept.now(), kept.read) == (0, 2)


async def test_who_asks_while_it_is_read_waits_for_that(kept: Balance, clock: Clock) -> None:
    clock.seconds += KEPT_SECONDS + 1
    assert await asyncio.gather(*(kept.now() for _ in range(20))) == [0] * 20
    assert kept.read == 2


async def test_before_its_time_is_over_one_of_those_who_ask_reads_it_anew(
    kept: Balance, clock: Clock
) -> None:
    clock.seconds += 0.95 * KEPT_SECONDS
    assert kept.memo.kept(kept.tenant_id, kept.account_id) is None
    read, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> int:
        read.set()
        await go_on.wait()
        return await kept.load()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kept.memo.of(kept.tenant_id, kept.account_id, slowly))
        await read.wait()
        assert kept.memo.kept(kept.tenant_id, kept.account_id) == 0
        assert (await kept.now(), kept.read) == (0, 1)
        go_on.set()
    clock.seconds += 0.4 * KEPT_SECONDS
    assert (await kept.now(), kept.read) == (0, 2)


async def test_who_asks_behind_a_change_waits_for_no_older_reading(
    balance: Balance, client: Client, handler: CommandHandler
) -> None:
    await balance.memo.follow(client)
    read, shown = asyncio.Event(), asyncio.Event()

    async def slowly() -> int:
        found = await balance.load()
        read.set()
        await shown.wait()
        return found

    async with asyncio.TaskGroup() as tasks:
        before = tasks.create_task(balance.memo.of(balance.tenant_id, balance.account_id, slowly))
        await read.wait()
        await pay_in(handler, balance)
        assert await balance.now() == 5
        shown.set()
    assert (before.result(), await balance.now()) == (0, 5)


async def test_everything_is_read_again_on_order(kept: Balance) -> None:
    kept.memo.clear()
    assert (await kept.now(), kept.read) == (0, 2)


async def test_minds_only_the_events_that_it_is_told_of(
    store: ReadModelStore,
    queries: AccountQueries,
    client: Client,
    handler: CommandHandler,
    tenant_id: str,
    account_id: str,
) -> None:
    opening: list[type[Event]] = [AccountOpened]
    balance = Balance(Memo(store, opening), queries, tenant_id, account_id)
    await balance.memo.follow(client)
    assert await balance.now() == 0
    await pay_in(handler, balance)
    assert (await balance.now(), balance.read) == (0, 1)
    await opened(handler, tenant_id)
    assert (await balance.now(), balance.read) == (5, 2)


async def heard(kept: Balance) -> None:
    """Wait until what was paid in elsewhere has got about, and count from there."""

    async def look() -> None:
        assert await kept.now() == 5

    await eventually(look)
    kept.read = 0
