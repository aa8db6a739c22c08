"""Dead letters: seen, done once more, let go."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from shared.adapters.envelope import Codec
from shared.adapters.event_log import Append, EventLog
from shared.contracts.base import Event, Metadata, Recorded
from shared.contracts.gateway_letters import (
    DeadLetterDiscarded,
    DeadLetterReplayOrdered,
    RecordReplay,
)
from shared.contracts.operations import Repeat, Repeated
from shared.kernel.errors import Conflict, NotFound, Refused, Unavailable
from shared.kernel.ids import new_id
from shared.runtime import letters
from shared.runtime.bus import Bus
from shared.runtime.letters import Letter
from tests.bank.messages import OpenAccount, RateSet, metadata
from tests.eventually import eventually
from tests.integration.serving import ATTEMPTS, SECONDS, Bank


@dataclass
class Reaction:
    """To the rates of one tenant, as long as nothing is wrong."""

    tenant_id: str
    error: Exception | None
    done: list[int] = field(default_factory=list)

    async def __call__(self, recorded: Recorded[RateSet]) -> None:
        if recorded.tenant_id != self.tenant_id:
            return
        if self.error is not None:
            raise self.error
        self.done.append(recorded.event.value)


async def letter_of(client: Client, tenant_id: str) -> Letter:
    """The only one of a tenant."""

    async def look() -> Letter:
        found = [one async for one in letters.every(client) if f".{tenant_id}." in one.subject]
        assert len(found) == 1
        return found[0]

    return await eventually(look)


async def orders(
    event_log: EventLog, letter: Letter, tenant_id: str, *kinds: type[Event], service: str = "bank"
) -> None:
    """What somebody decides about a letter, as the gateway tells it."""
    for kind in kinds:
        event = kind.model_validate(
            {
                "dead_letter_id": letter.letter_id,
                "service": service,
                "stream": letter.stream,
                "subject": letter.subject,
            }
        )
        await event_log.append([Append(event, None)], metadata(tenant_id))


async def reported(client: Client, codec: Codec, letter: Letter, tenant_id: str) -> str | None:
    """What the service told of its last try; nobody takes it here."""
    subject = f"cmd.{tenant_id}.dead_letter.{letter.letter_id}.record_replay"

    async def look() -> str | None:
        js = client.jetstream()
        try:
            found = await js.get_last_msg("CMDS", subject)
        except NotFoundError:
            raise AssertionError from None
        await js.delete_msg("CMDS", found.seq or 0)
        told = RecordReplay.model_validate_json(await codec.clear(found.data or b"", tenant_id))
        return told.failure

    return await eventually(look)


async def test_a_command_that_was_given_up_is_decided_when_it_is_sent_again(
    bank: Bank, bus: Bus, client: Client, tenant_id: str
) -> None:
    broken = True

    async def check(_command: Any, _meta: Metadata) -> None:
        if broken:
            raise RuntimeError("a bug")

    bank.check = check
    order, meta = OpenAccount(account_id=new_id(), owner="Ada", number="1"), metadata(tenant_id)
    async with bank.running():
        with pytest.raises(Refused, match="failed at every attempt"):
            await bus.order(order, meta, "bank", wait=SECONDS)
        letter = await letter_of(client, tenant_id)
        assert (letter.stream, letter.reason) == ("CMDS", "a bug")
        assert [one async for one in letters.of_tenant(client, tenant_id)] == [letter]
        assert [one async for one in letters.of_tenant(client, new_id())] == []
        broken = False
        # Twice is once: the operator may not know whether the first time came through.
        await letters.send_again(client, letter)
        await letters.send_again(client, letter)
        await letters.discard(client, letter.number)

        async def opened() -> None:
            try:
                view = await bank.queries.account(tenant_id, order.account_id)
            except NotFound:
                raise AssertionError from None
            assert view.owner == "Ada"

        await eventually(opened)
        with pytest.raises(NotFound):
            await letters.read(client, letter.number)


async def test_a_reaction_does_what_it_gave_up(
    bank: Bank, bus: Bus, client: Client, event_log: EventLog, tenant_id: str
) -> None:
    reaction = Reaction(tenant_id, Unavailable("the world is down"))
    bank.service.reacts("letters", [RateSet], reaction, attempts=ATTEMPTS)
    async with bank.running():
        event = RateSet(currency="c", value=7)
        await event_log.append([Append(event, 0)], metadata(tenant_id))
        letter = await letter_of(client, tenant_id)
        assert (letter.consumer, letter.service) == ("bank-letters", "bank")
        question = Repeat(letter=letter.number)

        async def repeat() -> Repeated:
            return await bus.ask(question, Repeated, metadata(tenant_id), service="bank")

        with pytest.raises(Unavailable, match="the world is down"):
            await repeat()
        reaction.error = KeyError("a bug")
        with pytest.raises(Conflict, match="failed again"):
            await repeat()
        reaction.error = None
        await repeat()
        assert reaction.done == [7]
        with pytest.raises(ValueError, match="stands in the log"):
            await letters.send_again(client, letter)
        await letters.discard(client, letter.number)
        with pytest.raises(NotFound):
            await repeat()


async def test_a_person_has_a_reaction_done_once_more(
    bank: Bank, client: Client, event_log: EventLog, codec: Codec, tenant_id: str
) -> None:
    reaction = Reaction(tenant_id, KeyError("a bug"))
    bank.service.reacts("letters", [RateSet], reaction, attempts=ATTEMPTS)
    async with bank.running():
        event = RateSet(currency="c", value=7)
        await event_log.append([Append(event, 0)], metadata(tenant_id))
        letter = await letter_of(client, tenant_id)
        await orders(event_log, letter, tenant_id, DeadLetterReplayOrdered)
        assert "failed again" in (await reported(client, codec, letter, tenant_id) or "")
        assert await letters.read(client, letter.number) == letter
        reaction.error = None
        # What another service gave up is nothing to this one.
        await orders(event_log, letter, tenant_id, DeadLetterReplayOrdered, service="ingest")
        await orders(event_log, letter, tenant_id, DeadLetterReplayOrdered)
        assert await reported(client, codec, letter, tenant_id) is None
        await gone(client, letter)
        assert reaction.done == [7]
        await orders(event_log, letter, tenant_id, DeadLetterReplayOrdered)
        assert "not kept" in (await reported(client, codec, letter, tenant_id) or "")
        assert reaction.done == [7]


async def test_a_person_has_a_command_decided_or_lets_it_go(
    bank: Bank, bus: Bus, client: Client, event_log: EventLog, codec: Codec, tenant_id: str
) -> None:
    error: Exception | None = RuntimeError("a bug")

    async def check(_command: Any, _meta: Metadata) -> None:
        if error is not None:
            raise error

    bank.check = check
    first, second = (
        OpenAccount(account_id=new_id(), owner=name, number=name) for name in ("Ada", "Bob")
    )
    async with bank.running():
        with pytest.raises(Refused, match="failed at every attempt"):
            await bus.order(first, metadata(tenant_id), "bank", wait=SECONDS)
        letter = await letter_of(client, tenant_id)
        await orders(event_log, letter, tenant_id, DeadLetterDiscarded)
        await gone(client, letter)
        with pytest.raises(Refused, match="failed at every attempt"):
            await bus.order(second, metadata(tenant_id), "bank", wait=SECONDS)
        letter = await letter_of(client, tenant_id)
        error = None
        await orders(event_log, letter, tenant_id, DeadLetterReplayOrdered)
        assert await reported(client, codec, letter, tenant_id) is None
        await gone(client, letter)

        async def opened() -> None:
            try:
                view = await bank.queries.account(tenant_id, second.account_id)
            except NotFound:
                raise AssertionError from None
            assert view.owner == "Bob"

        await eventually(opened)
        with pytest.raises(NotFound):
            await bank.queries.account(tenant_id, first.account_id)


async def gone(client: Client, letter: Letter) -> None:
    """Wait until a letter is taken away."""

    async def look() -> None:
        place = (letter.stream, letter.subject, letter.letter_id)
        assert await letters.find(client, *place) is None

    await eventually(look)
