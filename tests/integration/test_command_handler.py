"""Commands become events once, whatever repeats or races."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from nats.aio.client import Client
from typing_extensions import override

from shared.adapters.envelope import Codec
from shared.adapters.event_log import Append, EventLog
from shared.adapters.memo import Memo
from shared.adapters.projector import Projector
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Done, Metadata, Outcome, Refusal
from shared.kernel.errors import Conflict, Unavailable
from shared.kernel.ids import new_id
from shared.runtime.commands import CommandHandler
from tests.bank.domain import Account
from tests.bank.messages import (
    CloseAccount,
    Deposit,
    Deposited,
    OpenAccount,
    Withdraw,
    metadata,
)
from tests.bank.rows import AccountQueries
from tests.integration.faults import events


class Shown(EventLog):
    """A log of which somebody else brings everything into the rows before its writer can."""

    def __init__(self, client: Client, codec: Codec, service: str, store: ReadModelStore) -> None:
        super().__init__(client, codec, service)
        self._rows = store

    @override
    async def append(self, events: Sequence[Append], metadata: Metadata) -> list[int]:
        sequences = await super().append(events, metadata)
        event = events[0].event
        told = await self.tail(metadata.tenant_id, event.aggregate, event.aggregate_id)
        async with self._rows.writing() as db:
            await self._rows.apply(db, told)
        return sequences


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

    async def test_what_others_show_first_is_shown_once(
        self,
        store: ReadModelStore,
        client: Client,
        codec: Codec,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
    ) -> None:
        handler = CommandHandler(store, Shown(client, codec, "bank", store))
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        done = await handler.execute(order, meta)
        assert isinstance(done, Done)
        found = await queries.account(tenant_id, account_id)
        assert (found.balance, found.movements) == (7, 1)
        assert await handler.execute(order, meta) == done

    async def test_what_the_database_forgot_meanwhile_is_shown_again(
        self,
        handler: CommandHandler,
        store: ReadModelStore,
        event_log: EventLog,
        queries: AccountQueries,
        tenant_id: str,
        account_id: str,
    ) -> None:
        async def crash(_command: Any, _meta: Metadata) -> None:
            async with store.writing(tenant_id) as db:
                await store.forget(db, tenant_id)

        await handler.execute(Deposit(account_id=account_id, amount=4), metadata(tenant_id))
        crashing = CommandHandler(store, event_log, crash)
        order = Deposit(account_id=account_id, amount=3)
        assert isinstance(await crashing.execute(order, metadata(tenant_id)), Done)
        found = await queries.account(tenant_id, account_id)
        assert (found.balance, found.movements) == (7, 2)

    async def test_state_includes_what_the_rows_do_not_show_yet(
        self, handler: CommandHandler, event_log: EventLog, tenant_id: str, account_id: str
    ) -> None:
        version = await event_log.last_sequence_of(tenant_id, "account", account_id)
        event = Deposited(account_id=account_id, amount=3)
        await event_log.append([Append(event, version)], metadata(tenant_id))
        state = await handler.current("account", tenant_id, account_id)
        assert state == Account(opened=True, balance=3)

    async def test_state_includes_what_came_behind_a_row_that_is_kept(
        self,
        handler: CommandHandler,
        event_log: EventLog,
        client: Client,
        tenant_id: str,
        account_id: str,
    ) -> None:
        memo = Memo(handler.store)
        await memo.follow(client)
        where = ("account", tenant_id, account_id)
        before = await handler.current(*where, memo)
        assert memo.kept(tenant_id, ("state", "account", account_id)).state == before
        version = await event_log.last_sequence_of(tenant_id, "account", account_id)
        event = Deposited(account_id=account_id, amount=3)
        await event_log.append([Append(event, version)], metadata(tenant_id))
        assert await handler.current(*where, memo) == Account(opened=True, balance=3)
