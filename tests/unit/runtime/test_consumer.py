"""Every message ends in exactly one way: acknowledged, put back with a delay, or given up."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import nats.errors
import pytest
from nats.js import api

from shared.kernel.errors import Unavailable
from shared.runtime.consumer import DEATHS, DELAYS, Consumer, Delivery, Poison


@dataclass
class Message:
    """A message as the broker delivers it; notes how it was settled."""

    attempt: int = 1
    subject: str = "cmd.t1.source.s1.create"
    data: bytes = b"{}"
    headers: dict[str, str] | None = field(default_factory=lambda: {"ce-tenant": "t1"})
    settled: list[Any] = field(default_factory=list)
    broken: bool = False

    @property
    def metadata(self) -> Any:
        return SimpleNamespace(
            num_delivered=self.attempt, sequence=SimpleNamespace(stream=7, consumer=3)
        )

    async def ack(self) -> None:
        if self.broken:
            raise nats.errors.ConnectionClosedError
        self.settled.append("ack")

    async def nak(self, delay: float) -> None:
        self.settled.append(delay)


ATTEMPTS = 8


@dataclass
class Worker:
    """Does what it is told; notes what it got and what was given up."""

    error: Exception | None = None
    give_up_error: Exception | None = None
    got: list[Delivery] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    async def handle(self, delivery: Delivery) -> None:
        self.got.append(delivery)
        if self.error is not None:
            raise self.error

    async def give_up(self, _delivery: Delivery, reason: str) -> None:
        if self.give_up_error is not None:
            raise self.give_up_error
        self.given_up.append(reason)

    def __post_init__(self) -> None:
        self.consumer = Consumer(
            cast("Any", None),
            "CMDS",
            api.ConsumerConfig(durable_name="ingest"),
            self.handle,
            self.give_up,
            key=str,
            concurrency=1,
            max_attempts=ATTEMPTS,
        )

    async def take(self, message: Message) -> Message:
        await self.consumer._one(cast("Any", message))
        assert not self.consumer._places.locked(), "the place is free again"
        assert self.consumer._in_flight == {}
        return message

    async def take_until(self, attempt: int) -> Message:
        """All deliveries of one message up to this one, each of which fails; the last."""
        for before in range(1, attempt):
            await self.take(Message(before))
        return await self.take(Message(attempt))


async def test_what_is_done_is_acknowledged() -> None:
    worker = Worker()
    message = await worker.take(Message(headers={"ce-tenant": "t1", "x": "y"}))
    assert message.settled == ["ack"]
    assert worker.got == [
        Delivery(
            stream="CMDS",
            consumer="ingest",
            subject="cmd.t1.source.s1.create",
            headers={"ce-tenant": "t1", "x": "y"},
            data=b"{}",
            attempt=1,
            sequence=7,
        )
    ]
    assert worker.got[0].tenant_id == "t1"


@pytest.mark.parametrize("attempt", range(1, ATTEMPTS))
@pytest.mark.parametrize("error", [Unavailable("database away"), RuntimeError("bug")])
async def test_what_fails_comes_again_later_each_time(attempt: int, error: Exception) -> None:
    (delay,) = (await Worker(error).take_until(attempt)).settled
    step = DELAYS[min(attempt, len(DELAYS)) - 1]
    assert step <= delay <= step * 1.2


async def test_after_the_last_attempt_it_is_given_up_with_its_reason() -> None:
    worker = Worker(Unavailable("database away"))
    message = await worker.take_until(ATTEMPTS)
    assert (worker.given_up, message.settled) == (["database away"], ["ack"])


async def test_an_error_without_words_is_given_up_by_its_name() -> None:
    worker = Worker(KeyError())
    await worker.take_until(ATTEMPTS)
    assert worker.given_up == ["KeyError"]


async def test_poison_is_given_up_at_once() -> None:
    worker = Worker(Poison("cannot read the command"))
    message = await worker.take(Message(1))
    assert (worker.given_up, message.settled) == (["cannot read the command"], ["ack"])


async def test_what_killed_its_worker_every_time_is_not_tried_again() -> None:
    worker = Worker()
    message = await worker.take(Message(ATTEMPTS * DEATHS + 1))
    assert worker.got == []
    assert worker.given_up == ["the worker died at every attempt"]
    assert message.settled == ["ack"]


async def test_what_only_died_with_its_worker_is_worked_all_the_same() -> None:
    worker = Worker()
    message = await worker.take(Message(ATTEMPTS * DEATHS))
    assert (worker.given_up, message.settled) == ([], ["ack"])


async def test_what_fails_after_it_died_often_is_tried_again() -> None:
    worker = Worker(Unavailable("database away"))
    message = await worker.take(Message(ATTEMPTS * DEATHS - 1))
    assert worker.given_up == []
    assert message.settled != ["ack"]


async def test_what_fails_after_it_died_as_often_as_it_may_is_given_up() -> None:
    worker = Worker(Unavailable("database away"))
    await worker.take(Message(ATTEMPTS * DEATHS))
    assert worker.given_up == ["database away"]


async def test_what_cannot_be_given_up_now_comes_again() -> None:
    worker = Worker(Poison("x"), give_up_error=Unavailable("broker away"))
    assert (await worker.take(Message(1))).settled == [DELAYS[-1]]
    assert worker.given_up == []


async def test_a_lost_acknowledgement_is_left_to_the_broker() -> None:
    assert (await Worker().take(Message(broken=True))).settled == []


async def test_a_message_without_headers_is_handled_too() -> None:
    worker = Worker()
    await worker.take(Message(headers=None))
    assert worker.got[0].headers == {}
    assert worker.got[0].tenant_id == ""
