"""What the log knows of a delivery counts, whatever the delivery log shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from typing_extensions import override

from services.webhooks.domain.deliveries import Delivery
from services.webhooks.domain.endpoints import Endpoint
from services.webhooks.ports import Answer, Lane, Pending, Sender
from services.webhooks.reactions.attempts import Attempts
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.webhooks import WebhookSettings
from shared.kernel.errors import Unavailable
from tests.unit.samples import T0, TENANT

HERE = Lane(TENANT, "w1")
FIRST = Pending("d1", "m1", "chat.message", "{}", 1, T0, "c1", None)
ENDPOINT = Endpoint(
    settings=WebhookSettings(url="https://hooks.example.com/", events=("chat.message",)),
    secret_ref="ref",
)


@dataclass
class Taken(Sender):
    """A receiver that takes everything."""

    bodies: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @override
    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.bodies.append(body)
        self.ids.append(headers["webhook-id"])
        return Answer(200, "", None, None, 1.0)


@dataclass
class Log:
    """What was decided, and the state that it gives."""

    delivery: Delivery
    commands: list[Command] = field(default_factory=list)

    async def current(self, aggregate: str, _tenant_id: str, _aggregate_id: str) -> Any:
        return ENDPOINT if aggregate == "webhook_endpoint" else self.delivery

    async def execute(self, command: Command, _meta: Metadata, _name: str) -> Done:
        self.commands.append(command)
        return Done(position=1)


async def secret(_tenant_id: str, _ref: str) -> bytes:
    return b"whsec_" + b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"


async def test_an_attempt_that_the_log_does_not_know_is_made_and_recorded() -> None:
    log, sender = Log(Delivery(webhook_id="w1", test=False)), Taken()
    attempts = Attempts(log.execute, log.current, secret, sender, pace=1.0)
    assert await attempts.deliver(HERE, FIRST)
    assert sender.bodies == [b"{}"]
    assert len(log.commands) == 1


async def test_every_attempt_has_the_same_id_and_bytes() -> None:
    log, sender = Log(Delivery(webhook_id="w1", test=False)), Taken()
    attempts = Attempts(log.execute, log.current, secret, sender, pace=1.0)
    for attempt in range(1, 4):
        assert await attempts.deliver(HERE, replace(FIRST, attempt=attempt))
    assert sender.ids == ["m1"] * 3
    assert sender.bodies == [b"{}"] * 3


async def test_an_attempt_that_the_log_knows_is_not_made_again() -> None:
    made = Delivery(webhook_id="w1", test=False, status="delivered", attempts=1)
    log, sender = Log(made), Taken()
    attempts = Attempts(log.execute, log.current, secret, sender, pace=1.0)
    with pytest.raises(Unavailable):
        await attempts.deliver(HERE, FIRST)
    assert sender.bodies == []
    assert log.commands == []
