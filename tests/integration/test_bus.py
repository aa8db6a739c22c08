"""Orders and questions between services, over a real broker, with a real owner."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.contracts.base import Done, Metadata
from shared.contracts.operations import (
    AwaitPosition,
    GetHealth,
    GetOutcome,
    MaybeOutcome,
    Position,
    Rebuild,
    Rebuilt,
    ServiceHealth,
)
from shared.embedded.servers import Servers
from shared.kernel.errors import Conflict, InvalidCommand, NotFound, QuotaExceeded, Unavailable
from shared.kernel.ids import new_id
from shared.runtime.bus import Bus
from tests.bank.messages import AccountView, Deposit, OpenAccount, Withdraw, metadata
from tests.eventually import eventually
from tests.integration.serving import SECONDS, Bank, GetAccount


@pytest.fixture
async def running(bank: Bank) -> AsyncIterator[Bank]:
    async with bank.running():
        yield bank


async def open_account(bus: Bus, tenant_id: str) -> str:
    account_id = new_id()
    order = OpenAccount(account_id=account_id, owner="Ada", number=account_id)
    assert await bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)
    return account_id


async def account(bus: Bus, tenant_id: str, account_id: str) -> AccountView:
    question = GetAccount(account_id=account_id)
    return await bus.ask(question, AccountView, metadata(tenant_id), timeout=SECONDS)


class TestOrdering:
    async def test_tells_when_it_is_done_and_shows(
        self, running: Bank, bus: Bus, tenant_id: str
    ) -> None:
        account_id = await open_account(bus, tenant_id)
        for amount in range(1, 10):
            order = Deposit(account_id=account_id, amount=amount)
            done = await bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)
            assert isinstance(done, Done)
            found = await account(bus, tenant_id, account_id)
            assert found.balance == sum(range(amount + 1))

    async def test_raises_the_refusal_as_it_was_decided(
        self, running: Bank, bus: Bus, tenant_id: str
    ) -> None:
        account_id = await open_account(bus, tenant_id)
        with pytest.raises(Conflict, match="not so much"):
            await bus.order(
                Withdraw(account_id=account_id, amount=1), metadata(tenant_id), "bank", wait=SECONDS
            )
        with pytest.raises(InvalidCommand) as refused:
            await bus.order(
                Deposit(account_id=account_id, amount=-1), metadata(tenant_id), "bank", wait=SECONDS
            )
        assert refused.value.field == "amount"

    async def test_the_same_order_again_comes_to_the_same(
        self, running: Bank, bus: Bus, tenant_id: str
    ) -> None:
        account_id = await open_account(bus, tenant_id)
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        first = await bus.order(order, meta, "bank", wait=SECONDS)
        assert await bus.order(order, meta, "bank", wait=SECONDS) == first
        assert (await account(bus, tenant_id, account_id)).balance == 7

    async def test_the_same_order_twice_at_once_comes_to_the_same(
        self, running: Bank, bus: Bus, tenant_id: str
    ) -> None:
        account_id = await open_account(bus, tenant_id)
        order, meta = Deposit(account_id=account_id, amount=7), metadata(tenant_id)
        outcomes = await asyncio.gather(
            *(bus.order(order, meta, "bank", wait=SECONDS) for _ in range(3))
        )
        assert isinstance(outcomes[0], Done)
        assert outcomes == [outcomes[0]] * 3
        assert (await account(bus, tenant_id, account_id)).balance == 7

    async def test_an_outcome_that_was_told_to_nobody_is_looked_up(
        self, running: Bank, servers: Servers, codec: Codec, tenant_id: str
    ) -> None:
        connected = await nats_client.connect(servers.nats_url, "deaf")
        try:
            deaf = Bus(connected, codec)  # never started: it hears no outcome
            assert await open_account(deaf, tenant_id)
            with pytest.raises(NotFound):
                await deaf.order(
                    Withdraw(account_id=new_id(), amount=1),
                    metadata(tenant_id),
                    "bank",
                    wait=SECONDS,
                )
        finally:
            await connected.close()

    async def test_an_owner_that_is_away_leaves_it_stored_for_later(
        self, bank: Bank, bus: Bus, tenant_id: str
    ) -> None:
        order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
        meta = metadata(tenant_id)
        assert await bus.order(order, meta, "bank", wait=0.1) is None
        async with bank.running():
            done = await bus.order(order, meta, "bank", wait=SECONDS)
            assert isinstance(done, Done)
            assert (await account(bus, tenant_id, order.account_id)).owner == "Ada"

    async def test_a_full_store_is_a_quota(self, client: Client, bus: Bus, tenant_id: str) -> None:
        js = client.jetstream()
        config = (await js.stream_info("CMDS")).config
        order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
        try:
            await bus.order(order, metadata(tenant_id), "bank", wait=0)
            waiting = (await js.stream_info("CMDS")).state.messages
            await js.update_stream(config.evolve(max_msgs=waiting))
            with pytest.raises(QuotaExceeded):
                await bus.order(order, metadata(tenant_id), "bank", wait=0)
        finally:
            await js.update_stream(config)
            await js.purge_stream("CMDS", subject=f"cmd.{tenant_id}.>")

    async def test_what_is_not_known_to_be_stored_is_unavailable(
        self, servers: Servers, codec: Codec, tenant_id: str
    ) -> None:
        closed = await nats_client.connect(servers.nats_url, "cut off")
        bus = Bus(closed, codec)
        await closed.close()
        order = Deposit(account_id=new_id(), amount=1)
        with pytest.raises(Unavailable):
            await bus.order(order, metadata(tenant_id), "bank", wait=0)


class TestAsking:
    """Over the broker, and in the same process, where it must not be otherwise."""

    @pytest.fixture(params=["broker", "process"])
    async def bus(
        self, servers: Servers, codec: Codec, bank: Bank, request: pytest.FixtureRequest
    ) -> AsyncIterator[Bus]:
        connected = await nats_client.connect(servers.nats_url, "asker")
        here = bank.service.platform.neighbours if request.param == "process" else None
        made = Bus(connected, codec, neighbours=here)
        await made.start()
        yield made
        await connected.close()

    async def test_gives_the_owners_answer_or_its_refusal(
        self, running: Bank, bus: Bus, tenant_id: str, other_tenant_id: str
    ) -> None:
        account_id = await open_account(bus, tenant_id)
        assert (await account(bus, tenant_id, account_id)).number == account_id
        with pytest.raises(NotFound, match="Account not found"):
            await account(bus, other_tenant_id, account_id)

    async def test_nobody_there_is_unavailable_at_once(self, bus: Bus, tenant_id: str) -> None:
        with pytest.raises(Unavailable, match="bank does not answer"):
            await account(bus, tenant_id, new_id())

    async def test_a_bug_in_the_answer_is_unavailable_and_tells_nothing(
        self, bank: Bank, bus: Bus, tenant_id: str
    ) -> None:
        class GetSecret(GetAccount):
            name = "get_secret"

        async def fail(_question: GetSecret, _meta: Metadata) -> AccountView:
            raise RuntimeError("password is hunter2")

        bank.service.answers(GetSecret, fail)
        async with bank.running():
            with pytest.raises(Unavailable) as told:
                await bus.ask(
                    GetSecret(account_id="a"), AccountView, metadata(tenant_id), timeout=SECONDS
                )
        assert "hunter2" not in str(told.value)

    async def test_an_answer_that_no_message_can_hold_is_none(
        self, bank: Bank, bus: Bus, tenant_id: str
    ) -> None:
        class GetLongName(GetAccount):
            name = "get_long_name"

        async def tell(_question: GetLongName, _meta: Metadata) -> AccountView:
            return AccountView(
                id="a", owner="A" * 2_000_000, number="1", balance=0, movements=0, is_open=True
            )

        bank.service.answers(GetLongName, tell)
        async with bank.running():
            question = GetLongName(account_id="a")
            with pytest.raises(Unavailable, match="bank does not answer"):
                await bus.ask(question, AccountView, metadata(tenant_id), timeout=1)

    async def test_without_a_broker_nobody_is_asked(
        self, running: Bank, servers: Servers, codec: Codec, tenant_id: str
    ) -> None:
        closed = await nats_client.connect(servers.nats_url, "cut off")
        bus = Bus(closed, codec, neighbours=running.service.platform.neighbours)
        await closed.close()
        with pytest.raises(Unavailable, match="bank does not answer"):
            await account(bus, tenant_id, new_id())

    async def test_a_neighbour_is_asked_past_the_broker_and_others_over_it(
        self, running: Bank, client: Client, codec: Codec, bus: Bus, tenant_id: str
    ) -> None:
        heard: list[str] = []

        async def hear(message: Msg) -> None:
            heard.append(message.subject)

        hearing = await client.subscribe("ask.bank.get_account", cb=hear)
        await client.flush()
        account_id = await open_account(bus, tenant_id)
        near = Bus(client, codec, neighbours=running.service.platform.neighbours)
        far = Bus(client, codec)
        for asked, times in ((near, 0), (far, 1)):
            assert (await account(asked, tenant_id, account_id)).id == account_id
            await client.flush()
            assert len(heard) == times
        await hearing.unsubscribe()

    async def test_a_neighbour_hears_past_the_broker_what_its_order_came_to(
        self, running: Bank, client: Client, codec: Codec, tenant_id: str
    ) -> None:
        told: list[str] = []

        async def hear(message: Msg) -> None:
            told.append(message.subject)

        hearing = await client.subscribe(f"out.{tenant_id}.*", cb=hear)
        await client.flush()
        near = Bus(client, codec, neighbours=running.service.platform.neighbours)
        far = Bus(client, codec)
        await far.start()
        for ordering, times in ((near, 0), (far, 1)):
            await open_account(ordering, tenant_id)
            await client.flush()
            assert len(told) == times
        await hearing.unsubscribe()


class TestEveryService:
    async def test_remembers_outcomes_for_their_own_tenant(
        self, running: Bank, bus: Bus, tenant_id: str, other_tenant_id: str
    ) -> None:
        order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
        meta = metadata(tenant_id)
        done = await bus.order(order, meta, "bank", wait=SECONDS)
        question = GetOutcome(command_id=meta.message_id)
        for tenant, outcome in ((tenant_id, done), (other_tenant_id, None)):
            found = await bus.ask(
                question, MaybeOutcome, metadata(tenant), service="bank", timeout=SECONDS
            )
            assert found.outcome == outcome

    async def test_waits_until_a_read_model_shows_a_position(
        self, running: Bank, bus: Bus, tenant_id: str
    ) -> None:
        order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
        done = await bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)
        assert isinstance(done, Done)
        question = AwaitPosition(
            read_model=running.store.model.name, position=done.position, seconds=SECONDS
        )
        reached = await bus.ask(
            question, Position, metadata(tenant_id), service="bank", timeout=SECONDS
        )
        assert reached.position >= done.position
        with pytest.raises(NotFound, match="keeps no read model 'other'"):
            await bus.ask(
                AwaitPosition(read_model="other", position=1),
                Position,
                metadata(tenant_id),
                service="bank",
                timeout=SECONDS,
            )

    async def test_tells_how_it_is(self, bank: Bank, bus: Bus, tenant_id: str) -> None:
        state = "ok 7"

        async def vault() -> str:
            if state == "broken":
                raise RuntimeError("no such host 10.0.0.7")
            return state

        bank.service.depends("vault", vault)

        async def told(status: str) -> None:
            found = await bus.ask(
                GetHealth(), ServiceHealth, metadata(tenant_id), service="bank", timeout=SECONDS
            )
            said.append(found.model_dump_json())
            assert found.status == status, found
            assert [model.name for model in found.read_models] == [bank.store.model.name]

        said: list[str] = []
        async with bank.running():
            for now, status in (("ok 7", "ok"), ("slow", "degraded"), ("broken", "degraded")):
                state = now
                # A part that takes over a second to answer counts as not reachable.
                await eventually(partial(told, status))
        assert "10.0.0.7" not in "".join(said)

    async def test_rebuilds_a_read_model_on_demand(
        self, running: Bank, bus: Bus, tenant_id: str
    ) -> None:
        account_id = await open_account(bus, tenant_id)
        before = await account(bus, tenant_id, account_id)
        rebuilt = await bus.ask(
            Rebuild(read_model=running.store.model.name),
            Rebuilt,
            metadata(tenant_id),
            service="bank",
            timeout=SECONDS,
        )
        assert rebuilt.events >= 3
        assert await account(bus, tenant_id, account_id) == before
        order = Deposit(account_id=account_id, amount=3)
        await bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)
        assert (await account(bus, tenant_id, account_id)).balance == 3
