"""Commands become events once, whatever crashes on the way, or is lost."""

from collections.abc import Awaitable, Callable

import pytest

from shared.adapters.event_log import Append, EventLog
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Command, Done, Event
from shared.kernel.errors import Unavailable
from shared.kernel.ids import new_id
from shared.runtime.commands import CommandHandler
from tests.bank.messages import (
    AccountOpened,
    CardIssued,
    CloseAccount,
    Deposit,
    Deposited,
    OpenAccount,
    metadata,
)
from tests.bank.rows import AccountQueries, Accounts, accounts_model, rows
from tests.integration.faults import (
    Crash,
    Fault,
    FaultyLog,
    acknowledgement_lost,
    crash_after,
    crash_before,
    events,
    log_away,
    lost_on_the_way,
)


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


class TestAnotherReplica:
    """Was given the same command, and decided otherwise a moment before."""

    async def test_that_has_shown_it_tells_what_it_came_to(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
    ) -> None:
        meta, told = metadata(tenant_id), []

        async def first(append: Callable[[], Awaitable[list[int]]]) -> list[int]:
            other = Deposit(account_id=account_id, amount=7)
            told.append(await CommandHandler(store, event_log).execute(other, meta))
            return await append()

        order = Deposit(account_id=account_id, amount=9)
        done = await CommandHandler(store, FaultyLog(event_log, first)).execute(order, meta)
        assert [done] == told
        assert len(await events(event_log, tenant_id, account_id)) == 2
        assert (await queries.account(tenant_id, account_id)).balance == 7

    async def test_that_stored_it_alone_has_its_event_shown(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
    ) -> None:
        meta = metadata(tenant_id)

        async def first(append: Callable[[], Awaitable[list[int]]]) -> list[int]:
            last = await event_log.last_sequence_of(tenant_id, "account", account_id)
            await event_log.append([Append(Deposited(account_id=account_id, amount=7), last)], meta)
            return await append()

        order = Deposit(account_id=account_id, amount=9)
        done = await CommandHandler(store, FaultyLog(event_log, first)).execute(order, meta)
        last = await event_log.last_sequence_of(tenant_id, "account", account_id)
        assert done == Done(position=last)
        assert len(await events(event_log, tenant_id, account_id)) == 2
        assert (await queries.account(tenant_id, account_id)).balance == 7


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
