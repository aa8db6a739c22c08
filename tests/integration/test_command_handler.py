"""Commands become events once, whatever crashes, repeats or races."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from typing_extensions import override

from shared.adapters.event_log import Append, EventLog
from shared.adapters.projector import Projector
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Command, Done, Event, Metadata, Outcome, Refusal
from shared.kernel.errors import Conflict, Unavailable, Unknown
from shared.kernel.ids import new_id
from shared.runtime.commands import CommandHandler
from tests.bank.domain import Account
from tests.bank.messages import (
    AccountOpened,
    CardIssued,
    CloseAccount,
    Deposit,
    Deposited,
    OpenAccount,
    Withdraw,
    metadata,
)
from tests.bank.rows import AccountQueries, Accounts, accounts_model, rows


class Crash(Exception):
    """The process is gone."""


@pytest.fixture
def handler(store: ReadModelStore, event_log: EventLog) -> CommandHandler:
    return CommandHandler(store, event_log)


@pytest.fixture
async def account_id(handler: CommandHandler, tenant_id: str) -> str:
    """An open account with nothing in it."""
    return await opened(handler, tenant_id)


async def opened(handler: CommandHandler, tenant_id: str) -> str:
    account_id = new_id()
    order = OpenAccount(account_id=account_id, owner="Ada", number=account_id)
    assert isinstance(await handler.execute(order, metadata(tenant_id)), Done)
    return account_id


async def events(event_log: EventLog, tenant_id: str, account_id: str) -> list[Event]:
    return [r.event for r in await event_log.tail(tenant_id, "account", account_id)]


class TestHandling:
    async def test_what_was_done_shows_at_once(
        self, handler: CommandHandler, queries: AccountQueries, tenant_id: str, account_id: str
    ) -> None:
        for amount in range(1, 20):
            order = Deposit(account_id=account_id, amount=amount)
            done = await handler.execute(order, metadata(tenant_id))
            assert isinstance(done, Done)
            found = await queries.account(tenant_id, account_id)
            assert (found.balance, found.movements) == (sum(range(amount + 1)), amount)

    async def test_all_events_of_a_decision_show_at_once(
        self, handler: CommandHandler, queries: AccountQueries, tenant_id: str, account_id: str
    ) -> None:
        await handler.execute(Deposit(account_id=account_id, amount=9), metadata(tenant_id))
        done = await handler.execute(CloseAccount(account_id=account_id), metadata(tenant_id))
        found = await queries.account(tenant_id, account_id)
        assert (found.balance, found.is_open) == (0, False)
        last = await handler.event_log.last_sequence_of(tenant_id, "account", account_id)
        assert done == Done(position=last)

    async def test_a_command_that_changes_nothing_is_done(
        self, handler: CommandHandler, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        before = await events(event_log, tenant_id, account_id)
        order, meta = Deposit(account_id=account_id, amount=0), metadata(tenant_id)
        outcome = await handler.execute(order, meta)
        assert isinstance(outcome, Done)
        assert await handler.execute(order, meta) == outcome
        assert await events(event_log, tenant_id, account_id) == before

    async def test_events_tell_the_command_and_who_gave_it(
        self, handler: CommandHandler, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        meta = metadata(tenant_id)
        await handler.execute(Deposit(account_id=account_id, amount=1), meta)
        last = await event_log.last_of(tenant_id, "account", account_id)
        assert last is not None
        assert last.metadata == meta


class TestRefusing:
    async def test_a_refusal_is_stored_and_repeated_though_it_would_be_taken_now(
        self, handler: CommandHandler, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        order, meta = Withdraw(account_id=account_id, amount=5), metadata(tenant_id)
        refusal = Refusal(code="conflict", detail="There is not so much")
        assert await handler.execute(order, meta) == refusal
        await handler.execute(Deposit(account_id=account_id, amount=9), metadata(tenant_id))
        for redelivered in (False, True):
            assert await handler.execute(order, meta, redelivered=redelivered) == refusal
        assert isinstance(await handler.execute(order, metadata(tenant_id)), Done)
        assert len(await events(event_log, tenant_id, account_id)) == 3

    async def test_a_refusal_is_repeated_after_a_rebuild_too(
        self, handler: CommandHandler, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        order, meta = Withdraw(account_id=account_id, amount=5), metadata(tenant_id)
        refusal = await handler.execute(order, meta)
        await handler.execute(Deposit(account_id=account_id, amount=9), metadata(tenant_id))
        await Projector(handler.store, event_log).rebuild()
        assert await handler.execute(order, meta, redelivered=True) == refusal
        assert isinstance(refusal, Refusal)

    async def test_a_refusal_names_the_field_at_fault(
        self, handler: CommandHandler, tenant_id: str, account_id: str
    ) -> None:
        order = Deposit(account_id=account_id, amount=-1)
        outcome = await handler.execute(order, metadata(tenant_id))
        assert outcome == Refusal(code="invalid", detail="amount: is below zero", field="amount")

    async def test_what_lies_outside_the_aggregate_can_refuse(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        async def closed_today(command: Any, _meta: Metadata) -> None:
            raise Conflict(f"closed, says {command.verb}")

        handler = CommandHandler(store, event_log, closed_today)
        order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
        outcome = await handler.execute(order, metadata(tenant_id))
        assert outcome == Refusal(code="conflict", detail="closed, says open")
        assert await events(event_log, tenant_id, order.account_id) == []

    async def test_a_refused_decision_takes_no_claim(
        self, handler: CommandHandler, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        again = OpenAccount(account_id=account_id, owner="Eve", number=new_id())
        assert isinstance(await handler.execute(again, metadata(tenant_id)), Refusal)
        assert await event_log.last_of(tenant_id, "account_number", again.number) is None


class TestClaims:
    async def test_a_taken_number_is_refused_in_the_claims_words(
        self,
        handler: CommandHandler,
        event_log: EventLog,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
    ) -> None:
        order = OpenAccount(account_id=new_id(), owner="Eve", number=account_id)
        outcome = await handler.execute(order, metadata(tenant_id))
        assert outcome == Refusal(code="conflict", detail=f"Number {account_id} is taken")
        assert await events(event_log, tenant_id, order.account_id) == []
        assert [found.id for found in await queries.accounts(tenant_id)] == [account_id]

    async def test_of_many_who_want_it_one_gets_it(
        self, handler: CommandHandler, tenant_id: str
    ) -> None:
        orders = [OpenAccount(account_id=new_id(), owner="Ada", number="1") for _ in range(6)]
        outcomes = await asyncio.gather(
            *(handler.execute(order, metadata(tenant_id)) for order in orders)
        )
        assert sum(isinstance(outcome, Done) for outcome in outcomes) == 1
        refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
        assert {refusal.detail for refusal in refusals} == {"Number 1 is taken"}

    async def test_another_tenant_may_have_the_same(
        self, handler: CommandHandler, tenant_id: str, other_tenant_id: str
    ) -> None:
        for owner in (tenant_id, other_tenant_id):
            order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
            assert isinstance(await handler.execute(order, metadata(owner)), Done)


class TestRepeating:
    @pytest.mark.parametrize("redelivered", [False, True])
    async def test_the_same_command_twice_is_one_event_and_one_outcome(
        self,
        handler: CommandHandler,
        event_log: EventLog,
        tenant_id: str,
        account_id: str,
        redelivered: bool,
    ) -> None:
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        first = await handler.execute(order, meta)
        assert await handler.execute(order, meta, redelivered=redelivered) == first
        assert len(await events(event_log, tenant_id, account_id)) == 2

    async def test_the_same_command_at_once_from_several_replicas_is_one_event(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        replicas = [CommandHandler(store, event_log) for _ in range(4)]
        outcomes = await asyncio.gather(*(one.execute(order, meta) for one in replicas * 3))
        assert len({outcome.model_dump_json() for outcome in outcomes}) == 1
        assert len(await events(event_log, tenant_id, account_id)) == 2


class TestRacing:
    @pytest.mark.parametrize("replicas", [1, 3])
    async def test_concurrent_commands_on_one_aggregate_are_all_done(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
        replicas: int,
    ) -> None:
        handlers = [CommandHandler(store, event_log) for _ in range(replicas)]

        async def deposit(n: int) -> Outcome:
            order, meta = Deposit(account_id=account_id, amount=n), metadata(tenant_id)
            while True:
                try:
                    return await handlers[n % replicas].execute(order, meta)
                except Unavailable:  # too many writers: the broker delivers again
                    await asyncio.sleep(0.01)

        outcomes = await asyncio.gather(*(deposit(n) for n in range(1, 21)))
        positions = [outcome.position for outcome in outcomes if isinstance(outcome, Done)]
        assert len(set(positions)) == 20
        found = await queries.account(tenant_id, account_id)
        assert (found.balance, found.movements) == (sum(range(21)), 20)

    async def test_nobody_withdraws_what_another_has_taken(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        first, second = (CommandHandler(store, event_log) for _ in range(2))
        await first.execute(Deposit(account_id=account_id, amount=10), metadata(tenant_id))
        order = Withdraw(account_id=account_id, amount=10)
        outcomes = await asyncio.gather(
            *(one.execute(order, metadata(tenant_id)) for one in (first, second))
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Done", "Refusal"]

    async def test_state_includes_what_the_rows_do_not_show_yet(
        self, handler: CommandHandler, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        version = await event_log.last_sequence_of(tenant_id, "account", account_id)
        event = Deposited(account_id=account_id, amount=3)
        await event_log.append([Append(event, version)], metadata(tenant_id))
        state = await handler.current("account", tenant_id, account_id)
        assert state == Account(opened=True, balance=3)


Fault = Callable[[Callable[[], Awaitable[list[int]]]], Awaitable[list[int]]]


class FaultyLog(EventLog):
    """A log whose next append goes wrong in a given way."""

    def __init__(self, log: EventLog, *faults: Fault) -> None:
        self.__dict__ |= log.__dict__
        self._faults = list(faults)

    @override
    async def append(self, events: Sequence[Append], metadata: Metadata) -> list[int]:
        async def really() -> list[int]:
            return await super(FaultyLog, self).append(events, metadata)

        return await (self._faults.pop(0)(really) if self._faults else really())


async def crash_before(_append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    raise Crash


async def crash_after(append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    await append()
    raise Crash


async def lost_on_the_way(_append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    raise Unknown("no acknowledgement")


async def acknowledgement_lost(append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    await append()
    raise Unknown("no acknowledgement")


async def log_away(_append: Callable[[], Awaitable[list[int]]]) -> list[int]:
    raise Unavailable("event log does not answer")


class TestCrashing:
    @pytest.mark.parametrize("fault", [crash_before, crash_after])
    async def test_around_the_append_leaves_one_event_when_it_is_delivered_again(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
        fault: Fault,
    ) -> None:
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        with pytest.raises(Crash):
            await CommandHandler(store, FaultyLog(event_log, fault)).execute(order, meta)
        done = await CommandHandler(store, event_log).execute(order, meta, redelivered=True)
        last = await event_log.last_sequence_of(tenant_id, "account", account_id)
        assert done == Done(position=last)
        assert len(await events(event_log, tenant_id, account_id)) == 2
        assert (await queries.account(tenant_id, account_id)).balance == 7

    async def test_before_the_rows_leaves_nothing_half_done(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        def crash(_event: Event) -> None:
            raise Crash

        model = accounts_model(Accounts(crash), name=store.model.name)
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        before = await rows(store)
        with pytest.raises(Crash):
            await CommandHandler(ReadModelStore(store.engine, model), event_log).execute(
                order, meta
            )
        assert await rows(store) == before
        assert await store.outcome(meta.message_id) is None
        done = await CommandHandler(store, event_log).execute(order, meta, redelivered=True)
        assert isinstance(done, Done)
        assert len(await events(event_log, tenant_id, account_id)) == 2

    async def test_after_the_append_while_others_went_on_keeps_both(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
    ) -> None:
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        with pytest.raises(Crash):
            await CommandHandler(store, FaultyLog(event_log, crash_after)).execute(order, meta)
        handler = CommandHandler(store, event_log)
        other = Deposit(account_id=account_id, amount=100)
        assert isinstance(await handler.execute(other, metadata(tenant_id)), Done)
        mine = (await event_log.tail(tenant_id, "account", account_id))[1].sequence
        done = await handler.execute(order, meta, redelivered=True)
        assert done == Done(position=mine)
        found = await queries.account(tenant_id, account_id)
        assert (found.balance, found.movements) == (107, 2)

    async def test_after_an_append_to_several_aggregates_shows_them_all_when_repeated(
        self, store: ReadModelStore, event_log: EventLog, queries: AccountQueries, tenant_id: str
    ) -> None:
        order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
        meta = metadata(tenant_id)
        with pytest.raises(Crash):
            await CommandHandler(store, FaultyLog(event_log, crash_after)).execute(order, meta)
        done = await CommandHandler(store, event_log).execute(order, meta, redelivered=True)
        assert await queries.cards(tenant_id) == [order.account_id]
        [opening] = await event_log.tail(tenant_id, "account", order.account_id)
        together = await event_log.together(opening)
        assert [type(r.event).__name__ for r in together] == [
            "AccountOpened",
            "NumberClaimed",
            "CardIssued",
        ]
        assert done == Done(position=together[-1].sequence)

    async def test_a_closed_account_is_paid_out_once(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        queries: AccountQueries,
        handler: CommandHandler,
        tenant_id: str,
        account_id: str,
    ) -> None:
        await handler.execute(Deposit(account_id=account_id, amount=9), metadata(tenant_id))
        order, meta = CloseAccount(account_id=account_id), metadata(tenant_id)
        with pytest.raises(Crash):
            await CommandHandler(store, FaultyLog(event_log, crash_after)).execute(order, meta)
        outcomes = [
            await CommandHandler(store, event_log).execute(order, meta, redelivered=True)
            for _ in range(2)
        ]
        last = await event_log.last_sequence_of(tenant_id, "account", account_id)
        assert outcomes == [Done(position=last)] * 2
        found = await queries.account(tenant_id, account_id)
        assert (found.balance, found.movements, found.is_open) == (0, 2, False)


class TestALostAcknowledgement:
    @pytest.mark.parametrize("fault", [lost_on_the_way, acknowledgement_lost])
    async def test_is_found_out_about_at_once(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
        fault: Fault,
    ) -> None:
        handler = CommandHandler(store, FaultyLog(event_log, fault))
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        done = await handler.execute(order, meta)
        last = await event_log.last_sequence_of(tenant_id, "account", account_id)
        assert done == Done(position=last)
        found = await queries.account(tenant_id, account_id)
        assert (found.balance, found.movements) == (7, 1)

    async def test_of_a_claim_does_not_make_it_somebody_elses(
        self, store: ReadModelStore, event_log: EventLog, queries: AccountQueries, tenant_id: str
    ) -> None:
        handler = CommandHandler(store, FaultyLog(event_log, acknowledgement_lost))
        order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
        assert isinstance(await handler.execute(order, metadata(tenant_id)), Done)
        assert await queries.cards(tenant_id) == [order.account_id]

    async def test_that_comes_again_and_again_is_unavailable_and_harmless(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        faulty = FaultyLog(event_log, *[lost_on_the_way] * 6)
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        with pytest.raises(Unavailable):
            await CommandHandler(store, faulty).execute(order, meta)
        assert await store.outcome(meta.message_id) is None
        outcome = await CommandHandler(store, event_log).execute(order, meta, redelivered=True)
        assert isinstance(outcome, Done)
        assert len(await events(event_log, tenant_id, account_id)) == 2

    async def test_a_log_that_is_away_is_unavailable(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        handler = CommandHandler(store, FaultyLog(event_log, log_away))
        order: Command = Deposit(account_id=account_id, amount=7)
        meta = metadata(tenant_id)
        with pytest.raises(Unavailable):
            await handler.execute(order, meta)
        assert isinstance(await handler.execute(order, meta, redelivered=True), Done)


async def test_together_gives_only_the_events_of_one_append(
    event_log: EventLog, tenant_id: str
) -> None:
    """Neighbours in the log, and other commands of one aggregate, are others."""
    account_id = new_id()
    opening = AccountOpened(account_id=account_id, owner="Ada", number="1")
    card = CardIssued(card_id=new_id(), account_id=account_id)
    await event_log.append([Append(opening, 0), Append(card, 0)], metadata(tenant_id))
    version = await event_log.last_sequence_of(tenant_id, "account", account_id)
    deposited = Deposited(account_id=account_id, amount=1)
    await event_log.append([Append(deposited, version)], metadata(tenant_id))
    for aggregate, aggregate_id, expected in (
        ("card", card.card_id, [opening, card]),
        ("account", account_id, [deposited]),
    ):
        last = await event_log.last_of(tenant_id, aggregate, aggregate_id)
        assert last is not None
        assert [r.event for r in await event_log.together(last)] == expected
