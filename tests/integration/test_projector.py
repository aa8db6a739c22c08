"""The projector between a real log and a real database: exactly once, whatever stops it."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from nats.aio.client import Client
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.aggregate_rows import StoredOutcome
from shared.adapters.event_log import STREAM, Append, EventLog
from shared.adapters.postgres import POOL_OVERFLOW, POOL_SIZE, create_engine
from shared.adapters.projector import BATCH, Projector, project
from shared.adapters.read_model import ReadModelStore
from shared.embedded.servers import Servers
from shared.kernel.errors import Unusable
from shared.kernel.ids import new_id
from shared.runtime.commands import CommandHandler
from tests.bank.messages import NOW, AccountOpened, Deposited, RateSet, Withdrawn, metadata
from tests.bank.rows import AccountQueries, Accounts, accounts_model, rows
from tests.eventually import eventually
from tests.integration.faults import opened
from tests.integration.replay import fresh

SECONDS = 120.0


async def rate(event_log: EventLog, tenant_id: str, *values: int) -> int:
    """Set a rate so often; return the last sequence."""
    sequence = 0
    for value in values:
        event = RateSet(currency="eur", value=value)
        [sequence] = await event_log.append([Append(event, None)], metadata(tenant_id))
    return sequence


async def open_account(event_log: EventLog, tenant_id: str, deposits: Sequence[int]) -> str:
    account_id = new_id()
    opened = AccountOpened(account_id=account_id, owner="Ada", number=account_id)
    deposited = [Deposited(account_id=account_id, amount=amount) for amount in deposits]
    appends = [Append(opened, 0), *(Append(event, None) for event in deposited)]
    await event_log.append(appends, metadata(tenant_id))
    return account_id


@asynccontextmanager
async def running(projector: Projector) -> AsyncIterator[Projector]:
    task = asyncio.ensure_future(projector.run())
    try:
        yield projector
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class TestProjecting:
    async def test_brings_in_what_is_there_and_what_comes(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        await rate(event_log, tenant_id, 1, 2)
        async with running(Projector(store, event_log)) as projector:
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
            assert await AccountQueries(store).rates(tenant_id) == {"eur": (2, 2)}
            position = await rate(event_log, tenant_id, 3)
            assert await projector.await_position(position, SECONDS) >= position
            assert await AccountQueries(store).rates(tenant_id) == {"eur": (3, 3)}

    async def test_gives_way_before_it_takes_what_nobody_waits_for(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        asked, free = asyncio.Event(), asyncio.Event()

        async def give_way() -> None:
            asked.set()
            await free.wait()

        free.set()
        async with running(Projector(store, event_log, give_way=give_way)) as projector:
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
            free.clear()
            asked.clear()
            position = await rate(event_log, tenant_id, 1)
            await asyncio.wait_for(asked.wait(), SECONDS)
            assert await store.position() < position
            free.set()
            assert await projector.await_position(position, SECONDS) >= position

    async def test_who_waits_beside_it_does_not_ask_the_database(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        tenant_id: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async with running(Projector(store, event_log)) as projector:
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
            monkeypatch.setattr(store, "position", None)
            position = await rate(event_log, tenant_id, 1)
            assert await projector.await_position(position, SECONDS) >= position
            assert await projector.await_position(position + 1, 0.05) == position

    async def test_waiting_ends_when_the_time_is_over(
        self, store: ReadModelStore, event_log: EventLog
    ) -> None:
        stands = await store.position()
        assert await Projector(store, event_log).await_position(stands + 1, 0.05) == stands
        assert await Projector(store, event_log).await_position(stands, 0) == stands

    async def test_a_second_one_projects_nothing_and_serves(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        async with running(Projector(store, event_log)) as first:
            await asyncio.wait_for(first.ready.wait(), SECONDS)
            async with running(Projector(store, event_log)) as second:
                await asyncio.wait_for(second.ready.wait(), SECONDS)
                position = await rate(event_log, tenant_id, *range(20))
                assert await second.await_position(position, SECONDS) >= position
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (19, 20)}

    async def test_a_second_one_goes_on_where_the_first_ended(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        async with running(Projector(store, event_log)) as first:
            await asyncio.wait_for(first.ready.wait(), SECONDS)
            async with running(Projector(store, event_log)) as second:
                await asyncio.wait_for(second.ready.wait(), SECONDS)
                position = await rate(event_log, tenant_id, 1)
                await first.await_position(position, SECONDS)
                async with asyncio.timeout(SECONDS):
                    # The first one's connection breaks: its lock goes with it.
                    await disconnect_projector(store)
                    position = await rate(event_log, tenant_id, 2, 3)
                    assert await second.await_position(position, SECONDS) >= position
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (3, 3)}

    async def test_goes_on_after_the_broker_forgot_it(
        self, store: ReadModelStore, event_log: EventLog, client: Client, tenant_id: str
    ) -> None:
        """Again and again: what held its place in the database must be let go each time."""
        async with running(Projector(store, event_log)) as projector:
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
            for n in range(1, 5):
                await forget_readers(client)
                # Others use connections meanwhile, so it is not given the same one again.
                await asyncio.gather(*(store.position() for _ in range(4)))
                position = await rate(event_log, tenant_id, n)
                assert await projector.await_position(position, SECONDS) >= position
                assert await AccountQueries(store).rates(tenant_id) == {"eur": (n, n)}

    async def test_goes_on_after_the_database_broke_its_connections(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        async with running(Projector(store, event_log)) as projector:
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
            for n in range(1, 4):
                await disconnect_projector(store)
                position = await rate(event_log, tenant_id, n)
                assert await projector.await_position(position, SECONDS) >= position
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (3, 3)}

    async def test_goes_on_after_no_connection_was_left_for_it(
        self,
        store: ReadModelStore,
        event_log: EventLog,
        servers: Servers,
        tenant_id: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Others of its service may hold all of them for longer than it waits."""
        engine = create_engine(servers.database_url("bank"), "crowded")
        engine.sync_engine.pool._timeout = 0.05  # type: ignore[attr-defined]  # not half a minute
        held = [await engine.connect() for _ in range(POOL_SIZE + POOL_OVERFLOW)]
        async with running(Projector(ReadModelStore(engine, store.model), event_log)) as projector:

            async def missed() -> None:
                assert "projector starts again" in caplog.messages

            await eventually(missed)
            for one in held:
                await one.close()
            position = await rate(event_log, tenant_id, 1)
            assert await projector.await_position(position, SECONDS) >= position
        await engine.dispose()
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (1, 1)}

    async def test_brings_in_again_what_a_crashed_database_forgot_though_nothing_comes(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        await rate(event_log, tenant_id, 1, 2)
        async with running(Projector(store, event_log)) as projector:
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
            await store.drop()
            await store.create(await event_log.identity())
            await disconnect_projector(store)

            async def shown_again() -> None:
                assert await AccountQueries(store).rates(tenant_id) == {"eur": (2, 2)}

            await eventually(shown_again, SECONDS)

    async def test_brings_in_what_handlers_had_shown_to_a_database_that_forgot_it(
        self, store: ReadModelStore, event_log: EventLog, handler: CommandHandler, tenant_id: str
    ) -> None:
        """Though this very process knows that it was there."""
        async with running(Projector(store, event_log)) as projector:
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
            before = await event_log.last_sequence()
            account_id = await opened(handler, tenant_id)
            position = await event_log.last_sequence()
            assert await projector.await_position(position, SECONDS) >= position
            await store.drop()
            await store.create(await event_log.identity())
            async with store.engine.begin() as db:  # of all others it knows nothing anyway
                await db.execute(update(store.checkpoint).values(position=before))
            await disconnect_projector(store)

            async def shown_again() -> None:
                found = await AccountQueries(store).accounts(tenant_id)
                assert [account.id for account in found] == [account_id]

            await eventually(shown_again, SECONDS)


async def forget_readers(client: Client) -> None:
    """Delete all readers' places in the log, as a restart of the broker does."""
    js = client.jetstream()
    for reader in await js.consumers_info(STREAM):
        if reader.name.startswith("read-"):
            await js.delete_consumer(STREAM, reader.name)


async def disconnect_projector(store: ReadModelStore) -> None:
    """Break the connection that holds the projector's lock, as a restart of Postgres does."""
    query = (
        "select count(pg_terminate_backend(pid)) from pg_locks "
        "where locktype = 'advisory' and granted and pid <> pg_backend_pid() "
        "and mode = 'ExclusiveLock'"
    )
    async with store.engine.connect() as db:
        assert await db.scalar(text(query))


class TestExactlyOnce:
    async def test_a_batch_behind_which_another_moved_the_checkpoint_is_left(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        position = await store.position()
        await rate(event_log, tenant_id, *range(5))
        async for records in event_log.history(position, store.model.subjects, batch=BATCH):
            assert await project(store, records, position) == records[-1].sequence
            assert await project(store, records, position) is None
            position = records[-1].sequence
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (4, 5)}

    async def test_whenever_it_is_cancelled(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = await open_account(event_log, tenant_id, [])
        version = await event_log.last_sequence_of(tenant_id, "account", account_id)
        chance = random.Random(tenant_id)  # noqa: S311  moments, not secrets
        for amount in range(1, 13):
            projector = Projector(store, event_log)
            task = asyncio.ensure_future(projector.run())
            events = [Deposited(account_id=account_id, amount=amount)] * 3
            appends = [Append(e, version if n == 0 else None) for n, e in enumerate(events)]
            version = (await event_log.append(appends, metadata(tenant_id)))[-1]
            await rate(event_log, tenant_id, amount)
            await asyncio.sleep(chance.uniform(0, 0.05))
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        async with running(Projector(store, event_log)) as projector:
            await projector.await_position(await event_log.last_sequence(), 0)
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
        found = await AccountQueries(store).account(tenant_id, account_id)
        assert (found.balance, found.movements) == (3 * sum(range(1, 13)), 36)
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (12, 12)}

    async def test_cancelled_as_its_connection_breaks_it_ends_all_the_same(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        for moment in range(12):
            projector = Projector(store, event_log)
            task = asyncio.ensure_future(projector.run())
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
            sequence = await rate(event_log, tenant_id, *range(20))
            await projector.await_position(sequence - 15, SECONDS)
            if moment % 2:
                await disconnect_projector(store)
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=SECONDS / 3)
            assert done, f"goes on after it was cancelled at moment {moment}"
            assert task.cancelled()

    @pytest.mark.slow
    async def test_whenever_its_process_is_killed(
        self, store: ReadModelStore, event_log: EventLog, servers: Servers, tenant_id: str
    ) -> None:
        chance = random.Random(tenant_id)  # noqa: S311  moments, not secrets
        for n in range(4):
            await rate(event_log, tenant_id, *range(100))
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.integration.projecting",
                store.model.name,
                env={
                    **os.environ,
                    "NATS_URL": servers.nats_url,
                    "DATABASE_URL": servers.database_url("bank"),
                    "VAULT_KEY": servers.secrets.vault_key,
                },
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            assert await process.stdout.readline() == b"projecting\n"
            if n < 3:
                await asyncio.sleep(chance.uniform(0, 0.2))
            else:

                async def all_are_in() -> None:
                    assert await AccountQueries(store).rates(tenant_id) == {"eur": (99, 400)}

                await eventually(all_are_in)
            process.kill()
            await process.wait()
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (99, 400)}


class TestRefusing:
    async def test_rows_of_another_log_are_refused(
        self, engine: AsyncEngine, event_log: EventLog
    ) -> None:
        async with fresh(engine, accounts_model()) as store:
            with pytest.raises(Unusable, match=f"{store.schema} was built from another log"):
                await Projector(store, event_log).prepare()

    async def test_rows_that_are_ahead_of_the_log_are_refused(
        self, store: ReadModelStore, event_log: EventLog
    ) -> None:
        """The log was restored from a backup."""
        ahead = await event_log.last_sequence() + 1000
        async with store.writing() as db:
            await db.execute(update(store.checkpoint).values(position=ahead))
        with pytest.raises(Unusable, match="a later state"):
            await Projector(store, event_log).prepare()
        with pytest.raises(Unusable, match=f"stands at {ahead}"):
            await Projector(store, event_log).run()

    async def test_a_rebuild_accepts_the_other_log_and_forgets_its_outcomes(
        self, engine: AsyncEngine, event_log: EventLog, tenant_id: str
    ) -> None:
        await rate(event_log, tenant_id, 1)
        async with fresh(engine, accounts_model()) as store:
            async with store.writing() as db:
                await store.record_outcome(db, "c1", NOW, StoredOutcome(tenant_id, 7, None))
            projector = Projector(store, event_log)
            await projector.rebuild()
            await projector.prepare()
            assert await AccountQueries(store).rates(tenant_id) == {"eur": (1, 1)}
            assert await store.outcome("c1") is None


class TestPreparing:
    async def test_makes_what_is_missing_and_keeps_what_is_there(
        self, engine: AsyncEngine, event_log: EventLog, tenant_id: str
    ) -> None:
        store = ReadModelStore(engine, accounts_model())
        assert await store.version_and_log() is None
        try:
            await asyncio.gather(*(Projector(store, event_log).prepare() for _ in range(3)))
            assert await store.version_and_log() == (1, await event_log.identity(), 0)
            position = await rate(event_log, tenant_id, 1)
            async with running(Projector(store, event_log)) as projector:
                await projector.await_position(position, SECONDS)
            await Projector(store, event_log).prepare()
            assert await AccountQueries(store).rates(tenant_id) == {"eur": (1, 1)}
        finally:
            await store.drop()

    async def test_a_changed_version_rebuilds(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = await open_account(event_log, tenant_id, [5, 6])
        await rate(event_log, tenant_id, 1)

        class Doubling(Accounts):
            """The projection of the next version."""

        model = replace(store.model, version=2, projection=Doubling())
        changed = ReadModelStore(store.engine, model)
        projectors = [Projector(changed, event_log) for _ in range(2)]
        await asyncio.gather(*(projector.prepare() for projector in projectors))
        found = await changed.version_and_log()
        assert found is not None
        assert found[0] == 2
        account = await AccountQueries(changed).account(tenant_id, account_id)
        assert (account.balance, account.movements) == (11, 2)
        assert await AccountQueries(changed).rates(tenant_id) == {"eur": (1, 1)}


class TestRebuilding:
    async def test_gives_identical_rows_while_events_are_written(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        async with running(Projector(store, event_log)) as projector:
            rebuilding = asyncio.ensure_future(projector.rebuild())
            account_id = await open_account(event_log, tenant_id, [10])
            version = await event_log.last_sequence_of(tenant_id, "account", account_id)
            for amount in range(50):
                event = Deposited(account_id=account_id, amount=amount)
                [version] = await event_log.append([Append(event, version)], metadata(tenant_id))
                await rate(event_log, tenant_id, amount)
            await rebuilding
            event_after = Withdrawn(account_id=account_id, amount=1)
            [version] = await event_log.append([Append(event_after, version)], metadata(tenant_id))
            await projector.await_position(version, SECONDS)
            live = await rows(store, tenant_id)
            await projector.rebuild()
            assert await rows(store, tenant_id) == live

    async def test_two_at_once_come_to_the_same(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        await rate(event_log, tenant_id, *range(10))
        projectors = [Projector(store, event_log) for _ in range(3)]
        rebuilt = await asyncio.gather(*(projector.rebuild() for projector in projectors))
        assert len({one.events for one in rebuilt}) == 1
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (9, 10)}

    async def test_one_that_was_cut_short_leaves_the_old_rows_and_can_be_repeated(
        self, store: ReadModelStore, event_log: EventLog, tenant_id: str
    ) -> None:
        await rate(event_log, tenant_id, *range(10))
        async with running(Projector(store, event_log)) as projector:
            await asyncio.wait_for(projector.ready.wait(), SECONDS)
        for pause in (0, 0.01, 0.05):
            rebuilding = asyncio.ensure_future(Projector(store, event_log).rebuild())
            await asyncio.sleep(pause)
            rebuilding.cancel()
            with suppress(asyncio.CancelledError):
                await rebuilding
            assert await AccountQueries(store).rates(tenant_id) == {"eur": (9, 10)}
        await Projector(store, event_log).rebuild()
        assert await AccountQueries(store).rates(tenant_id) == {"eur": (9, 10)}
