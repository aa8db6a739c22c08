"""Whatever is ordered, crashes and comes again: the log replayed gives the rows that are live."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from shared.adapters.event_log import EventLog
from shared.adapters.projector import project
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Command, Done, Event, Metadata, Outcome, Recorded, Refusal
from shared.kernel.ids import new_id
from shared.runtime.commands import CommandHandler
from tests.bank.messages import CloseAccount, Deposit, OpenAccount, Withdraw, metadata
from tests.bank.rows import AccountQueries, Accounts, accounts_model, rows
from tests.integration.faults import (
    Crash,
    FaultyLog,
    acknowledgement_lost,
    crash_after,
    crash_before,
    lost_on_the_way,
)
from tests.integration.replay import fresh, replay

FAULTS = {
    "crash before the append": crash_before,
    "crash after the append": crash_after,
    "lost on the way": lost_on_the_way,
    "acknowledgement lost": acknowledgement_lost,
}
Fault = Literal[
    "none",
    "crash before the append",
    "crash after the append",
    "lost on the way",
    "acknowledgement lost",
    "crash before the rows",
]


@dataclass(frozen=True)
class Order:
    """A command to one of a few accounts, and what goes wrong with it."""

    verb: Literal["open", "deposit", "withdraw", "close"]
    account: int
    amount: int
    number: int
    fault: Fault

    def command(self, names: Sequence[str]) -> Command:
        account_id = names[self.account]
        match self.verb:
            case "open":
                return OpenAccount(account_id=account_id, owner="Ada", number=f"n{self.number}")
            case "deposit":
                return Deposit(account_id=account_id, amount=self.amount)
            case "withdraw":
                return Withdraw(account_id=account_id, amount=self.amount)
            case "close":
                return CloseAccount(account_id=account_id)


@dataclass(frozen=True)
class Repeat:
    """An earlier command comes again: its acknowledgement was lost."""

    which: int


@dataclass(frozen=True)
class Project:
    """The projector comes by, and may have been away before."""


orders = st.builds(
    Order,
    verb=st.sampled_from(["open", "open", "deposit", "deposit", "withdraw", "close"]),
    account=st.integers(0, 2),
    amount=st.integers(-1, 20),
    number=st.integers(0, 2),
    fault=st.sampled_from(["none", "none", "none", *FAULTS, "crash before the rows"]),
)
steps = st.lists(
    st.one_of(orders, orders, orders, st.builds(Repeat, st.integers(0, 30)), st.just(Project())),
    min_size=1,
    max_size=18,
)


WITH_SERVERS = settings(
    deadline=None,
    # To make an example smaller takes hundreds of runs against the servers.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class World:
    """A tenant of its own on shared servers, and everything that was ordered in it."""

    def __init__(self, store: ReadModelStore, event_log: EventLog, after: int) -> None:
        self.tenant_id = new_id()
        self.names = [f"account-{n}" for n in range(3)]
        self.outcomes: dict[str, Outcome] = {}
        self._store = store
        self._log = event_log
        self._after = after
        self._ordered: list[tuple[Command, Metadata]] = []

    async def step(self, step: Order | Repeat | Project) -> None:
        match step:
            case Order():
                command, meta = step.command(self.names), metadata(self.tenant_id)
                self._ordered.append((command, meta))
                with suppress(Crash):
                    await self._handle(command, meta, step.fault)
            case Repeat(which=which) if self._ordered:
                await self._handle(*self._ordered[which % len(self._ordered)], redelivered=True)
            case Repeat():
                pass
            case Project():
                await self.project()

    async def settle(self) -> None:
        """Everything that has no outcome comes again, as a broker sees to; all is projected."""
        for command, meta in self._ordered:
            if meta.message_id not in self.outcomes:
                await self._handle(command, meta, redelivered=True)
        await self.project()

    async def history(self) -> list[Recorded[Event]]:
        batches = self._log.history(self._after, [f"evt.{self.tenant_id}.>"])
        return [record async for batch in batches for record in batch]

    async def project(self) -> None:
        behind = [r for r in await self.history() if r.sequence > await self._store.position()]
        if behind:
            assert await project(self._store, behind, await self._store.position()) is not None

    async def _handle(
        self, command: Command, meta: Metadata, fault: Fault = "none", *, redelivered: bool = False
    ) -> None:
        handler = CommandHandler(self._store, self._log)
        if fault == "crash before the rows":
            model = accounts_model(Accounts(_crash), name=self._store.model.name)
            handler = CommandHandler(ReadModelStore(self._store.engine, model), self._log)
        elif fault != "none":
            handler = CommandHandler(self._store, FaultyLog(self._log, FAULTS[fault]))
        outcome = await handler.execute(command, meta, redelivered=redelivered)
        assert self.outcomes.setdefault(meta.message_id, outcome) == outcome


def _crash(_event: Event) -> None:
    raise Crash


@pytest.mark.slow
@settings(WITH_SERVERS, max_examples=25)
@given(steps=steps)
async def test_rows_made_anew_from_the_log_are_the_live_rows(
    store: ReadModelStore, event_log: EventLog, steps: Sequence[Order | Repeat | Project]
) -> None:
    world = World(store, event_log, await event_log.last_sequence())
    for step in steps:
        await world.step(step)
    await world.settle()

    past = await world.history()
    async with fresh(store.engine, store.model) as anew:
        await replay(anew, past, chunk=4)
        assert await rows(anew, world.tenant_id) == await rows(store, world.tenant_id)

    done = {r.metadata.message_id: r.sequence for r in past}
    for command_id, outcome in world.outcomes.items():
        match outcome:
            case Refusal():
                assert command_id not in done, "refused, but it happened"
            case Done(position=position) if command_id in done:
                assert position == done[command_id]
            case Done():
                pass
    assert set(done) <= set(world.outcomes), "it happened, but nobody was told"

    numbers = [account.number for account in await AccountQueries(store).accounts(world.tenant_id)]
    assert len(numbers) == len(set(numbers)), "a number was claimed twice"
    assert all(a.balance >= 0 for a in await AccountQueries(store).accounts(world.tenant_id))


@pytest.mark.slow
@settings(WITH_SERVERS, max_examples=10)
@given(given_orders=st.lists(orders, min_size=2, max_size=12))
async def test_so_they_are_when_everything_happens_at_once(
    store: ReadModelStore, event_log: EventLog, given_orders: Sequence[Order]
) -> None:
    world = World(store, event_log, await event_log.last_sequence())
    await asyncio.gather(*(world.step(order) for order in given_orders), return_exceptions=True)
    await world.settle()
    async with fresh(store.engine, store.model) as anew:
        await replay(anew, await world.history(), chunk=4)
        assert await rows(anew, world.tenant_id) == await rows(store, world.tenant_id)
