"""A read model in a real Postgres: each fact once, and every tenant by itself."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from shared.adapters.aggregate_rows import StoredOutcome, key_of
from shared.adapters.connections import EVERY_TENANT, Connections
from shared.adapters.postgres import POOL_SIZE, as_tenant
from shared.adapters.projector import project
from shared.adapters.read_model import Overtaken, ReadModel, ReadModelStore
from shared.contracts.base import Event, Recorded, Refusal
from shared.kernel.ids import new_id
from tests.bank.domain import Account
from tests.bank.messages import (
    NOW,
    AccountClosed,
    AccountOpened,
    AccountView,
    CardIssued,
    Deposited,
    NumberClaimed,
    RateSet,
    Withdrawn,
)
from tests.bank.rows import AccountQueries, Accounts, accounts, accounts_model, cards, rows
from tests.integration.replay import ProjectionContract, fresh, handle, recorded, replay

HISTORY: Sequence[Event] = (
    AccountOpened(account_id="a", owner="Ada", number="1"),
    NumberClaimed(number="1", account_id="a"),
    CardIssued(card_id="c", account_id="a"),
    RateSet(currency="eur", value=7),
    Deposited(account_id="a", amount=50),
    AccountOpened(account_id="b", owner="Bob", number="2"),
    Withdrawn(account_id="a", amount=8),
    RateSet(currency="eur", value=9),
    Deposited(account_id="b", amount=1),
    AccountClosed(account_id="b"),
)


class TestAccounts(ProjectionContract):
    @pytest.fixture
    def model(self) -> ReadModel:
        return accounts_model()

    @pytest.fixture
    def events(self) -> Sequence[Event]:
        return HISTORY

    async def test_shows_what_happened(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        queries = AccountQueries(store)
        assert await queries.accounts(tenant_id) == [
            AccountView(id="a", owner="Ada", number="1", balance=42, movements=2, is_open=True),
            AccountView(id="b", owner="Bob", number="2", balance=1, movements=1, is_open=False),
        ]
        assert await queries.cards(tenant_id) == ["a"]
        assert await queries.rates(tenant_id) == {"eur": (9, 2)}

    async def test_keeps_the_state_of_every_owned_aggregate(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        kept = await store.snapshot("account", tenant_id, "b")
        assert kept.state == Account(opened=True, closed=True, balance=1)
        assert kept.version == past[-1].sequence
        assert (await store.snapshot("card", tenant_id, "c")).version == past[2].sequence
        stranger = await store.snapshot("account", tenant_id, "z")
        assert (stranger.state, stranger.version) == (Account(), 0)

    async def test_remembers_what_every_command_came_to(
        self, store: ReadModelStore, past: list[Recorded[Event]], tenant_id: str
    ) -> None:
        await replay(store, past)
        outcome = await store.outcome(past[0].metadata.message_id)
        assert outcome == StoredOutcome(tenant_id, past[0].sequence, None)
        of_another_owner = past[3].metadata.message_id
        assert await store.outcome(of_another_owner) is None
        assert await store.outcome(new_id()) is None


class TestTransactions:
    async def test_a_failure_in_the_middle_of_a_batch_leaves_nothing_of_it(
        self, engine: AsyncEngine, tenant_id: str
    ) -> None:
        past = recorded(tenant_id, *HISTORY)

        def fail(event: Event) -> None:
            if event.name == "withdrawn":
                raise RuntimeError("out of memory")

        async with fresh(engine, accounts_model(Accounts(fail))) as store:
            before = await rows(store)
            with pytest.raises(RuntimeError):
                await project(store, past, 0)
            assert await rows(store) == before
            assert await store.position() == 0

    async def test_a_projector_that_was_overtaken_writes_nothing(
        self, engine: AsyncEngine, tenant_id: str
    ) -> None:
        past = recorded(tenant_id, *HISTORY)
        async with fresh(engine, accounts_model()) as store:
            assert await project(store, past[:4], 0) == past[3].sequence
            before = await rows(store)
            assert await project(store, past, 0) is None
            assert await rows(store) == before
            assert await store.position() == past[3].sequence

    async def test_of_two_projectors_at_one_position_one_writes(
        self, engine: AsyncEngine, tenant_id: str
    ) -> None:
        past = recorded(tenant_id, *HISTORY)
        async with fresh(engine, accounts_model()) as store:
            results = await asyncio.gather(*(project(store, past, 0) for _ in range(4)))
            assert sorted(results, key=bool) == [None, None, None, past[-1].sequence]
            assert await AccountQueries(store).rates(tenant_id) == {"eur": (9, 2)}

    async def test_handlers_and_projector_at_once_write_each_event_once(
        self, engine: AsyncEngine, tenant_id: str
    ) -> None:
        past = recorded(tenant_id, *HISTORY)
        async with fresh(engine, accounts_model()) as store:
            await asyncio.gather(
                replay(store, past, chunk=2), handle(store, past), handle(store, past)
            )
            found = await AccountQueries(store).accounts(tenant_id)
            assert [(one.balance, one.movements) for one in found] == [(42, 2), (1, 1)]

    async def test_a_decision_shows_the_same_as_its_events_one_by_one(
        self, engine: AsyncEngine, tenant_id: str
    ) -> None:
        past = recorded(tenant_id, *(event for event in HISTORY if not isinstance(event, RateSet)))
        shown = []
        async with fresh(engine, accounts_model()) as store:
            await handle(store, past)
            shown.append(await rows(store))
        async with fresh(engine, accounts_model()) as store:
            for record in past:
                tenant, aggregate, aggregate_id = key_of(record)
                before = {key_of(record): await store.snapshot(aggregate, tenant, aggregate_id)}
                async with store.writing(tenant_id) as db:
                    await store.apply_decision(db, [record], before, narrowed=True)
            shown.append(await rows(store))
        assert shown[0] == shown[1]

    @pytest.mark.parametrize("first", [0, 1])
    async def test_a_decision_of_which_a_part_is_shown_is_given_up_as_a_whole(
        self, engine: AsyncEngine, tenant_id: str, first: int
    ) -> None:
        decision = recorded(tenant_id, *HISTORY[:2])
        async with fresh(engine, accounts_model()) as store:
            before = {key_of(r): store.rows.initial(r.event.aggregate) for r in decision}
            await handle(store, [decision[first]])
            shown = await rows(store)
            with pytest.raises(Overtaken):
                async with store.writing(tenant_id) as db:
                    await store.apply_decision(db, decision, before, narrowed=True)
            assert await rows(store) == shown

    async def test_a_statement_that_failed_unseen_is_no_success(
        self, store: ReadModelStore
    ) -> None:
        async def write() -> None:
            async with store.writing() as db:
                with contextlib.suppress(DBAPIError):
                    await db.execute(text("select 1 / 0"))

        with pytest.raises(DBAPIError, match="a statement had failed"):
            await write()

    async def test_the_first_outcome_of_a_command_stays(
        self, store: ReadModelStore, tenant_id: str
    ) -> None:
        command_id = new_id()
        refusal = Refusal(code="conflict", detail="no", field="amount")
        for outcome in (
            StoredOutcome(tenant_id, None, refusal),
            StoredOutcome(tenant_id, 7, None),
        ):
            async with store.writing() as db:
                await store.record_outcome(db, command_id, NOW, outcome)
        assert await store.outcome(command_id) == StoredOutcome(tenant_id, None, refusal)


class TestRowLevelSecurity:
    """Even a query that forgets its tenant sees no other."""

    @pytest.fixture
    async def filled(
        self, store: ReadModelStore, tenant_id: str, other_tenant_id: str
    ) -> ReadModelStore:
        for n, owner in enumerate((tenant_id, other_tenant_id)):
            async with store.writing() as db:
                await store.apply(db, recorded(owner, *HISTORY, first=n + 1))
        return store

    async def seen(self, store: ReadModelStore, tenant_id: str, table: Any) -> set[str]:
        async with store.reading(tenant_id) as db:
            return set(await db.scalars(select(table.c.tenant_id)))

    async def test_shows_each_tenant_its_own_rows_only(
        self, filled: ReadModelStore, tenant_id: str, other_tenant_id: str
    ) -> None:
        for table in (accounts, cards):
            assert await self.seen(filled, tenant_id, table) == {tenant_id}
            assert await self.seen(filled, other_tenant_id, table) == {other_tenant_id}
            assert await self.seen(filled, new_id(), table) == set()

    async def test_shows_nothing_to_whoever_names_no_tenant(self, filled: ReadModelStore) -> None:
        assert await self.seen(filled, "", accounts) == set()
        async with filled.engine.begin() as db:
            await db.execute(text(f'set local role "{filled.reader_role}"'))
            # An error on a connection that never served a tenant, else no row.
            with contextlib.suppress(DBAPIError):
                assert (await db.execute(select(accounts))).all() == []

    async def test_holds_on_a_connection_that_served_another_tenant(
        self, filled: ReadModelStore, tenant_id: str, other_tenant_id: str
    ) -> None:
        for _ in range(3):
            assert await self.seen(filled, tenant_id, accounts) == {tenant_id}
            assert await self.seen(filled, other_tenant_id, accounts) == {other_tenant_id}

    async def test_leaves_its_eyes_to_no_writer(
        self, filled: ReadModelStore, tenant_id: str
    ) -> None:
        eyes = text("select current_user, current_setting('app.tenant_id')")
        for _ in range(2 * POOL_SIZE):  # every connection of the pool
            assert await self.seen(filled, tenant_id, accounts) == {tenant_id}
            async with filled.engine.begin() as db:
                await db.execute(text("select 1"))
                await db.rollback()  # nothing of it hangs on a transaction
            async with filled.engine.connect() as db:
                assert (await db.execute(eyes)).one() == ("minirag_bank", EVERY_TENANT)

    async def test_gives_a_writer_who_was_cancelled_meanwhile_no_connection_to_lose(
        self, filled: ReadModelStore, tenant_id: str
    ) -> None:
        pool = filled.engine.pool
        assert isinstance(pool, QueuePool)
        for moment in range(6):
            assert await self.seen(filled, tenant_id, accounts) == {tenant_id}

            async def write() -> None:
                async with filled.engine.begin() as db:
                    await db.execute(text("select 1"))

            task = asyncio.ensure_future(write())
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert pool.checkedout() == Connections.of(filled.engine).unused

    async def test_is_put_on_again_where_it_is_not_known_to_hold(
        self, filled: ReadModelStore, tenant_id: str, other_tenant_id: str
    ) -> None:
        mine = Connections.of(filled.engine)
        assert await self.seen(filled, tenant_id, accounts) == {tenant_id}
        with pytest.raises(DBAPIError, match="does not exist"):
            async with as_tenant(mine, filled.schema, "nobody at all", other_tenant_id):
                pass
        for _ in range(2 * POOL_SIZE):
            assert await self.seen(filled, tenant_id, accounts) == {tenant_id}

    async def test_lets_a_reader_write_nothing(
        self, filled: ReadModelStore, tenant_id: str
    ) -> None:
        async with filled.reading(tenant_id) as db:
            with pytest.raises(DBAPIError, match="permission denied"):
                await db.execute(insert(cards).values(tenant_id=tenant_id, id="x", account_id="x"))

    @pytest.mark.parametrize("table", ["aggregates", "outcomes", "checkpoint"])
    async def test_keeps_the_runtimes_own_tables_from_readers(
        self, filled: ReadModelStore, tenant_id: str, table: str
    ) -> None:
        async with filled.reading(tenant_id) as db:
            with pytest.raises(DBAPIError, match="permission denied"):
                await db.execute(select(filled.model.tables.tables[table]))

    async def test_one_service_cannot_read_anothers_rows(
        self, filled: ReadModelStore, engines: Any, tenant_id: str
    ) -> None:
        async with engines("chat").connect() as db:
            with pytest.raises(DBAPIError, match="permission denied"):
                await db.execute(text(f'select * from "{filled.schema}".accounts'))
        others = Connections.of(engines("chat"))
        with pytest.raises(DBAPIError, match="permission denied"):
            async with as_tenant(others, filled.schema, filled.reader_role, tenant_id):
                pass
