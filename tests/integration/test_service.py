"""A running service: what it cannot do ends as a dead letter, and it stops without losing any."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from nats.aio.client import Client
from nats.js import api

from shared.adapters.envelope import Codec
from shared.adapters.event_log import Append, EventLog
from shared.contracts.base import Command, Done, Event, Metadata, Recorded, Refusal
from shared.contracts.operations import DeadLetterRecorded, GetOutcome, MaybeOutcome
from shared.kernel.errors import Refused, Unavailable, Unusable
from shared.kernel.ids import new_id
from shared.runtime.bus import Bus
from shared.runtime.service import Job
from tests.bank.domain import Account, decide
from tests.bank.messages import Deposit, OpenAccount, RateSet, Withdraw, metadata
from tests.eventually import eventually
from tests.integration.serving import ATTEMPTS, SECONDS, Bank


async def letters(client: Client, subject: str) -> list[api.RawStreamMsg]:
    """What lies in `DLQ` below a subject."""
    js = client.jetstream()
    found: list[api.RawStreamMsg] = []
    sequence = 1
    while True:
        try:
            letter = await js.get_msg("DLQ", sequence, subject=subject, next=True)
        except Exception as error:
            if "no message found" in str(error):
                return found
            raise
        found.append(letter)
        assert letter.seq is not None
        sequence = letter.seq + 1


async def only_letter(client: Client, subject: str) -> api.RawStreamMsg:
    async def look() -> api.RawStreamMsg:
        found = await letters(client, subject)
        assert len(found) == 1
        return found[0]

    return await eventually(look)


async def told(event_log: EventLog, tenant_id: str) -> list[DeadLetterRecorded]:
    """The dead letters that the log tells of a tenant."""
    subjects = [f"evt.{tenant_id}.dead_letter.*.recorded"]
    found: list[Event] = []
    async for records in event_log.history(0, subjects):
        found += [record.event for record in records]
    return [event for event in found if isinstance(event, DeadLetterRecorded)]


async def left(client: Client, stream: str, subject: str) -> int:
    info = await client.jetstream().stream_info(stream, subjects_filter=subject)
    return len(info.state.subjects or {})


async def gone(client: Client, stream: str, subject: str) -> None:
    async def look() -> None:
        assert await left(client, stream, subject) == 0

    await eventually(look)


class TestCommands:
    async def test_one_that_cannot_be_read_becomes_a_dead_letter_and_a_fact(
        self, bank: Bank, bus: Bus, client: Client, event_log: EventLog, tenant_id: str
    ) -> None:
        order, meta = Deposit(account_id=new_id(), amount=1), metadata(tenant_id)
        subject = f"cmd.{tenant_id}.account.{order.account_id}.deposit"
        await bus.order(order, meta, "bank", wait=0)
        js = client.jetstream()
        sent = await js.get_last_msg("CMDS", subject)
        await js.delete_msg("CMDS", sent.seq or 0)
        await js.publish(
            subject,
            b'{"account_id": 7}',
            headers=sent.headers and {**sent.headers, "Nats-Msg-Id": new_id()},
        )
        async with bank.running():
            letter = await only_letter(client, f"dlq.CMDS.{subject}")
            assert letter.data == b'{"account_id": 7}'
            headers = letter.headers or {}
            assert headers["ce-tenant"] == tenant_id
            assert headers["cmd-id"] == meta.message_id
            assert "cannot read the command" in headers["reason"]
            await gone(client, "CMDS", subject)
        [fact] = await told(event_log, tenant_id)
        assert (fact.service, fact.stream, fact.subject, fact.attempts) == (
            "bank",
            "CMDS",
            subject,
            1,
        )
        assert fact.dead_letter_id == headers["id"]

    async def test_one_that_nobody_takes_becomes_a_dead_letter(
        self, bank: Bank, client: Client, tenant_id: str
    ) -> None:
        subject = f"cmd.{tenant_id}.account.a.dance"
        await client.jetstream().publish(subject, b"{}", headers=complete(tenant_id))
        async with bank.running():
            letter = await only_letter(client, f"dlq.CMDS.{subject}")
            assert "takes no command account.dance" in (letter.headers or {})["reason"]
            await gone(client, "CMDS", subject)

    @pytest.mark.parametrize("headers", [{}, {"ce-tenant": "somebody"}, {"ce-time": "yesterday"}])
    async def test_one_without_complete_headers_becomes_a_dead_letter(
        self, bank: Bank, client: Client, tenant_id: str, headers: dict[str, str]
    ) -> None:
        subject = f"cmd.{tenant_id}.account.a.deposit"
        await client.jetstream().publish(subject, b"{}", headers=headers)
        async with bank.running():
            letter = await only_letter(client, f"dlq.CMDS.{subject}")
            assert "headers are incomplete" in (letter.headers or {})["reason"]
            await gone(client, "CMDS", subject)

    async def test_one_that_fails_at_every_attempt_is_given_up_and_remembered(
        self, bank: Bank, bus: Bus, client: Client, event_log: EventLog, tenant_id: str
    ) -> None:
        attempts = 0

        async def fail(_command: Any, _meta: Metadata) -> None:
            nonlocal attempts
            attempts += 1
            raise RuntimeError("always")

        bank.check = fail
        order, meta = OpenAccount(account_id=new_id(), owner="Ada", number="1"), metadata(tenant_id)
        async with bank.running():
            with pytest.raises(Refused, match="failed at every attempt"):
                await bus.order(order, meta, "bank", wait=SECONDS)
            found = await bus.ask(
                GetOutcome(command_id=meta.message_id), MaybeOutcome, meta, service="bank"
            )
        assert isinstance(found.outcome, Refusal)
        assert found.outcome.code == "given-up"
        assert attempts == ATTEMPTS
        letter = await only_letter(client, f"dlq.CMDS.cmd.{tenant_id}.>")
        assert (letter.headers or {})["reason"] == "always"
        assert b"Ada" not in (letter.data or b""), "personal text stays sealed"
        [fact] = await told(event_log, tenant_id)
        assert (fact.attempts, fact.reason) == (ATTEMPTS, "always")

    async def test_one_that_is_given_up_although_its_event_is_stored_is_done_after_all(
        self, bank: Bank, bus: Bus, tenant_id: str
    ) -> None:
        """The rows could not be written at any attempt; the event stands all the same."""
        order, meta = OpenAccount(account_id=new_id(), owner="Ada", number="1"), metadata(tenant_id)
        handler = bank.service._handlers["account"]
        async with bank.running():
            outcome = await handler.give_up(meta)
            assert isinstance(outcome, Refusal)
            events = [Append(event, 0) for event in opened(order)]
            position = (await bank.service.platform.event_log.append(events, meta))[-1]
            await bank.service.shown(bank.store.model.name)(position, SECONDS)
            found = await bus.ask(
                GetOutcome(command_id=meta.message_id), MaybeOutcome, meta, service="bank"
            )
            assert found.outcome == Done(position=position)
            assert await handler.give_up(meta) == Done(position=position)

    async def test_of_one_account_are_handled_in_the_order_they_were_given(
        self, bank: Bank, bus: Bus, tenant_id: str
    ) -> None:
        account_id = new_id()
        orders: list[Command] = [
            OpenAccount(account_id=account_id, owner="Ada", number=account_id),
            Deposit(account_id=account_id, amount=5),
            Withdraw(account_id=account_id, amount=5),
            Deposit(account_id=account_id, amount=1),
            Withdraw(account_id=account_id, amount=1),
        ]
        metas = [metadata(tenant_id) for _ in orders]
        for order, meta in zip(orders, metas, strict=True):
            await bus.order(order, meta, "bank", wait=0)
        async with bank.running():
            outcomes = [
                await bus.order(order, meta, "bank", wait=SECONDS)
                for order, meta in zip(orders, metas, strict=True)
            ]
            assert all(isinstance(outcome, Done) for outcome in outcomes)
            found = await bank.queries.account(tenant_id, account_id)
            assert (found.balance, found.movements) == (0, 4)


def complete(tenant_id: str) -> dict[str, str]:
    return {
        "ce-tenant": tenant_id,
        "ce-time": metadata(tenant_id).now.isoformat(),
        "ce-actor": "user/test",
        "ce-correlationid": new_id(),
        "cmd-id": new_id(),
    }


def opened(order: OpenAccount) -> list[Event]:
    return list(decide(Account(), order, metadata("any")))


class TestReactions:
    async def test_are_done_for_every_fact_and_given_up_in_the_end(
        self, bank: Bank, client: Client, event_log: EventLog, codec: Codec, tenant_id: str
    ) -> None:
        seen: list[int] = []
        given_up: list[tuple[int, str]] = []

        async def react(recorded: Recorded[RateSet]) -> None:
            if recorded.tenant_id != tenant_id:
                return
            seen.append(recorded.event.value)
            if recorded.event.value == 2:
                raise Unavailable("the world is down")

        async def on_given_up(recorded: Recorded[RateSet], reason: str) -> None:
            given_up.append((recorded.event.value, reason))

        bank.service.reacts("rates", [RateSet], react, attempts=ATTEMPTS, given_up=on_given_up)
        async with bank.running():
            for value in (1, 2, 3):
                event = RateSet(currency=f"c{value}", value=value)
                await event_log.append([Append(event, 0)], metadata(tenant_id))

            async def all_settled() -> None:
                assert given_up == [(2, "the world is down")]
                assert sorted(seen) == [1, 2, 2, 3]

            await eventually(all_settled)
            letter = await only_letter(client, f"dlq.EVENTS.evt.{tenant_id}.>")
            clear = await codec.clear(letter.data or b"", tenant_id)
            assert orjson.loads(clear)["value"] == 2
        [fact] = await told(event_log, tenant_id)
        assert (fact.stream, fact.attempts) == ("EVENTS", ATTEMPTS)

    async def test_carry_out_commands_once_however_often_they_are_repeated(
        self, bank: Bank, bus: Bus, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        order = OpenAccount(account_id=account_id, owner="Ada", number="1")
        attempts = 0
        done = asyncio.Event()

        async def react(recorded: Recorded[RateSet]) -> None:
            nonlocal attempts
            if recorded.tenant_id != tenant_id:
                return
            attempts += 1
            deposit = Deposit(account_id=account_id, amount=recorded.event.value)
            await bank.service.execute(deposit, recorded.metadata, "interest")
            if attempts == 1:
                raise Unavailable("crashed behind the effect")
            done.set()

        bank.service.reacts("interest", [RateSet], react)
        async with bank.running():
            await bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)
            event = RateSet(currency="eur", value=7)
            meta = metadata(tenant_id)
            await event_log.append([Append(event, 0)], meta)
            await asyncio.wait_for(done.wait(), SECONDS)
            assert (await bank.queries.account(tenant_id, account_id)).balance == 7
        last = await event_log.last_of(tenant_id, "account", account_id)
        assert last is not None
        assert last.metadata.causation_id == meta.message_id
        assert last.metadata.correlation_id == meta.correlation_id
        assert last.metadata.actor == "service/bank"

    async def test_that_must_not_go_on_end_the_service(
        self, bank: Bank, event_log: EventLog, tenant_id: str
    ) -> None:
        async def react(recorded: Recorded[RateSet]) -> None:
            if recorded.tenant_id == tenant_id:
                raise Unusable("not with this version")

        bank.service.reacts("stopping", [RateSet], react)
        event = RateSet(currency="eur", value=1)
        await event_log.append([Append(event, 0)], metadata(tenant_id))
        with pytest.raises(ExceptionGroup) as ended:
            async with bank.running():
                await asyncio.wait_for(bank.life, SECONDS)
        assert ended.group_contains(Unusable, match="not with this version")


class TestJobs:
    @pytest.fixture
    def work(self, bank: Bank) -> "Work":
        return Work(bank)

    async def test_are_worked_once_per_cause(
        self, bank: Bank, work: "Work", tenant_id: str
    ) -> None:
        cause = metadata(tenant_id)
        async with bank.running():
            for _ in range(3):
                await bank.service.dispatch_job("account", "a", "audit", cause, b"body")
            await bank.service.dispatch_job("account", "a", "audit", metadata(tenant_id), b"2nd")

            async def both() -> None:
                assert [job.body for job in work.done] == [b"body", b"2nd"]

            await eventually(both)
        job = work.done[0]
        assert (job.aggregate, job.aggregate_id, job.kind, job.attempt) == (
            "account",
            "a",
            "audit",
            1,
        )
        assert job.metadata.tenant_id == tenant_id
        assert job.metadata.causation_id == cause.message_id

    async def test_that_fail_are_given_up_with_the_reason(
        self, bank: Bank, work: "Work", client: Client, tenant_id: str
    ) -> None:
        work.fail = lambda job: RuntimeError("no ink") if job.body == b"bad" else None
        async with bank.running():
            await bank.service.dispatch_job("account", "a", "audit", metadata(tenant_id), b"bad")
            await bank.service.dispatch_job("account", "b", "audit", metadata(tenant_id), b"good")

            async def settled() -> None:
                assert [job.body for job in work.done] == [b"good"]
                assert work.given_up == [(b"bad", "no ink")]

            await eventually(settled)
            await only_letter(client, f"dlq.JOBS.job.{tenant_id}.>")

    @pytest.mark.parametrize("headers", [True, False])
    async def test_nobody_works_become_dead_letters(
        self, bank: Bank, work: "Work", client: Client, tenant_id: str, headers: bool
    ) -> None:
        made = complete(tenant_id) if headers else {}
        js = client.jetstream()
        await js.publish(f"job.{tenant_id}.account.a.sing", b"", headers=made)
        async with bank.running():
            await only_letter(client, f"dlq.JOBS.job.{tenant_id}.>")
            await gone(client, "JOBS", f"job.{tenant_id}.>")
        assert (work.done, work.given_up) == ([], [])


class Work:
    """A worker of jobs of the kind `audit`."""

    def __init__(self, bank: Bank) -> None:
        self.done: list[Job] = []
        self.given_up: list[tuple[bytes, str]] = []
        self.fail: Callable[[Job], Exception | None] = lambda _job: None

        async def do(job: Job) -> None:
            if error := self.fail(job):
                raise error
            self.done.append(job)

        async def on_given_up(job: Job, reason: str) -> None:
            self.given_up.append((job.body, reason))

        bank.service.works({"audit": do}, given_up=on_given_up)


class TestStopping:
    async def test_finishes_the_command_it_has_begun(
        self, bank: Bank, bus: Bus, tenant_id: str
    ) -> None:
        begun, release = asyncio.Event(), asyncio.Event()

        async def slow(_command: Any, _meta: Metadata) -> None:
            begun.set()
            await release.wait()

        bank.check = slow
        order = OpenAccount(account_id=new_id(), owner="Ada", number="1")
        async with bank.running():
            ordering = asyncio.ensure_future(
                bus.order(order, metadata(tenant_id), "bank", wait=SECONDS)
            )
            await asyncio.wait_for(begun.wait(), SECONDS)
            bank.stopping.set()
            await asyncio.sleep(0.05)
            assert not ordering.done()
            release.set()
            assert isinstance(await ordering, Done)

    async def test_ends_with_the_error_of_a_loop_that_died(self, bank: Bank) -> None:
        async def loop() -> None:
            await asyncio.sleep(0.01)
            raise RuntimeError("the loop died")

        bank.service.runs(loop)
        with pytest.raises(ExceptionGroup) as ended:
            async with bank.running():
                await asyncio.wait_for(bank.life, SECONDS)
        assert ended.group_contains(RuntimeError, match="the loop died")
