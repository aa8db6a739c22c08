"""What every log must do with an append, and what may be read of one aggregate."""

import asyncio

import orjson
import pytest
from nats.aio.client import Client

from shared.adapters import nats_client
from shared.adapters.envelope import Codec
from shared.adapters.event_log import STREAM, Append, EventLog
from shared.contracts.base import Event
from shared.embedded.servers import Servers
from shared.kernel.errors import StaleVersion, TooLarge, Unavailable, Unknown
from shared.kernel.ids import derived_id, new_id
from tests.bank.messages import (
    AccountOpened,
    CardIssued,
    Deposited,
    NumberClaimed,
    RateSet,
    metadata,
)
from tests.eventually import eventually
from tests.proxy import proxied


def opened(account_id: str, owner: str = "Ada") -> AccountOpened:
    return AccountOpened(account_id=account_id, owner=owner, number=account_id)


def deposited(account_id: str, amount: int) -> Deposited:
    return Deposited(account_id=account_id, amount=amount)


async def stored(event_log: EventLog, tenant_id: str, account_id: str) -> list[Event]:
    return [r.event for r in await event_log.tail(tenant_id, "account", account_id)]


class TestAppending:
    async def test_gives_back_what_was_stored(self, event_log: EventLog, tenant_id: str) -> None:
        account_id, meta = new_id(), metadata(tenant_id)
        sequences = await event_log.append([Append(opened(account_id), 0)], meta)
        [found] = await event_log.tail(tenant_id, "account", account_id)
        assert found.event == opened(account_id)
        assert found.metadata == meta
        assert [found.sequence] == sequences
        assert found.event_id == derived_id("event", meta.message_id, "0")

    async def test_refuses_a_stale_append_and_keeps_nothing_of_it(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        await event_log.append([Append(opened(account_id), 0)], metadata(tenant_id))
        with pytest.raises(StaleVersion):
            await event_log.append([Append(deposited(account_id, 1), 0)], metadata(tenant_id))
        assert await stored(event_log, tenant_id, account_id) == [opened(account_id)]

    async def test_one_of_many_racing_writers_wins(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        results = await asyncio.gather(
            *(
                event_log.append([Append(deposited(account_id, n), 0)], metadata(tenant_id))
                for n in range(8)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(result, list) for result in results) == 1
        assert sum(isinstance(result, StaleVersion) for result in results) == 7
        assert len(await stored(event_log, tenant_id, account_id)) == 1

    async def test_one_of_many_racing_decisions_of_several_events_wins_whole(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        results = await asyncio.gather(
            *(
                event_log.append(
                    [Append(deposited(account_id, n), 0), Append(deposited(account_id, n), None)],
                    metadata(tenant_id),
                )
                for n in range(6)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(result, list) for result in results) == 1
        first, second = await stored(event_log, tenant_id, account_id)
        assert first == second

    async def test_the_fence_holds_one_aggregate_only(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        one, other = new_id(), new_id()
        await event_log.append([Append(opened(one), 0)], metadata(tenant_id))
        await event_log.append([Append(opened(other), 0)], metadata(tenant_id))
        assert await stored(event_log, tenant_id, other) == [opened(other)]

    async def test_the_same_command_appended_again_leaves_one_event(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id, meta = new_id(), metadata(tenant_id)
        await event_log.append([Append(opened(account_id), 0)], meta)
        with pytest.raises(StaleVersion):
            await event_log.append([Append(opened(account_id), 0)], meta)
        assert await stored(event_log, tenant_id, account_id) == [opened(account_id)]

    async def test_another_event_of_the_same_command_is_not_taken_for_stored(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id, meta = new_id(), metadata(tenant_id)
        await event_log.append([Append(opened(account_id), 0)], meta)
        with pytest.raises(StaleVersion):
            await event_log.append([Append(deposited(account_id, 1), None)], meta)
        assert await stored(event_log, tenant_id, account_id) == [opened(account_id)]

    async def test_what_does_not_fit_is_refused_before_anything_is_sent(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        with pytest.raises(TooLarge):
            await event_log.append(
                [Append(opened(account_id, "A" * 1_000_000), 0)], metadata(tenant_id)
            )
        assert await stored(event_log, tenant_id, account_id) == []


class TestSeveralEvents:
    async def test_are_stored_in_order_with_sequences_in_a_row(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        events: list[Event] = [opened(account_id), *(deposited(account_id, n) for n in range(4))]
        appends = [Append(event, 0 if n == 0 else None) for n, event in enumerate(events)]
        sequences = await event_log.append(appends, metadata(tenant_id))
        assert sequences == list(range(sequences[0], sequences[0] + 5))
        found = await event_log.tail(tenant_id, "account", account_id)
        assert [r.event for r in found] == events
        assert [r.sequence for r in found] == sequences

    async def test_of_several_aggregates_are_stored_together(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id, number = new_id(), new_id()
        card = CardIssued(card_id=new_id(), account_id=account_id)
        claim = NumberClaimed(number=number, account_id=account_id)
        appends = [Append(event, 0) for event in (opened(account_id), claim, card)]
        await event_log.append(appends, metadata(tenant_id))
        assert await event_log.last_sequence_of(tenant_id, "account_number", number) > 0
        assert await event_log.last_sequence_of(tenant_id, "card", card.card_id) > 0

    async def test_are_not_stored_at_all_if_one_aggregate_moved(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        first, second, number = new_id(), new_id(), new_id()
        await event_log.append(
            [Append(opened(first), 0), Append(NumberClaimed(number=number, account_id=first), 0)],
            metadata(tenant_id),
        )
        before = await event_log.last_sequence()
        with pytest.raises(StaleVersion):
            await event_log.append(
                [
                    Append(opened(second), 0),
                    Append(CardIssued(card_id=new_id(), account_id=second), 0),
                    Append(NumberClaimed(number=number, account_id=second), 0),
                ],
                metadata(tenant_id),
            )
        assert await stored(event_log, tenant_id, second) == []
        assert await event_log.last_sequence() == before

    async def test_a_claim_is_taken_by_one_of_many(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        number = new_id()

        async def claim(account_id: str) -> list[int]:
            return await event_log.append(
                [
                    Append(opened(account_id), 0),
                    Append(NumberClaimed(number=number, account_id=account_id), 0),
                ],
                metadata(tenant_id),
            )

        contenders = [new_id() for _ in range(5)]
        results = await asyncio.gather(*map(claim, contenders), return_exceptions=True)
        winners = [
            account_id
            for account_id, result in zip(contenders, results, strict=True)
            if isinstance(result, list)
        ]
        assert len(winners) == 1
        held = await event_log.last_of(tenant_id, "account_number", number)
        assert held is not None
        assert held.event == NumberClaimed(number=number, account_id=winners[0])
        losers = [c for c in contenders if c not in winners]
        assert [await stored(event_log, tenant_id, loser) for loser in losers] == [[]] * 4


class TestReadingOneAggregate:
    async def test_tail_gives_what_lies_behind_a_sequence(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        [first] = await event_log.append([Append(opened(account_id), 0)], metadata(tenant_id))
        [second] = await event_log.append(
            [Append(deposited(account_id, 1), first)], metadata(tenant_id)
        )
        found = await event_log.tail(tenant_id, "account", account_id, first)
        assert [r.sequence for r in found] == [second]
        assert await event_log.tail(tenant_id, "account", account_id, second) == []

    async def test_last_is_the_newest_event_and_none_for_a_stranger(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        assert await event_log.last_of(tenant_id, "account", account_id) is None
        assert await event_log.last_sequence_of(tenant_id, "account", account_id) == 0
        appends = [Append(opened(account_id), 0), Append(deposited(account_id, 7), None)]
        sequences = await event_log.append(appends, metadata(tenant_id))
        last = await event_log.last_of(tenant_id, "account", account_id)
        assert last is not None
        assert (last.event, last.sequence) == (deposited(account_id, 7), sequences[-1])
        assert await event_log.last_sequence_of(tenant_id, "account", account_id) == sequences[-1]
        assert await event_log.last_sequence() == sequences[-1]

    async def test_one_event_is_known_by_its_position(
        self, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        appends = [Append(opened(account_id), 0), Append(deposited(account_id, 7), None)]
        first, second = await event_log.append(appends, metadata(tenant_id))
        for sequence, event in ((first, opened(account_id)), (second, deposited(account_id, 7))):
            found = await event_log.at(sequence)
            assert found is not None
            assert (found.event, found.sequence) == (event, sequence)
        assert await event_log.at(await event_log.last_sequence() + 1000) is None

    async def test_another_tenant_has_another_aggregate_of_the_same_id(
        self, event_log: EventLog, tenant_id: str, other_tenant_id: str
    ) -> None:
        account_id = new_id()
        await event_log.append([Append(opened(account_id), 0)], metadata(tenant_id))
        assert await event_log.tail(other_tenant_id, "account", account_id) == []
        await event_log.append([Append(opened(account_id, "Eve"), 0)], metadata(other_tenant_id))
        assert await stored(event_log, tenant_id, account_id) == [opened(account_id)]

    async def test_the_identity_of_a_log_stays(self, event_log: EventLog, tenant_id: str) -> None:
        before = await event_log.identity()
        await event_log.append(
            [Append(RateSet(currency=new_id(), value=1), None)], metadata(tenant_id)
        )
        assert await event_log.identity() == before

    async def test_without_a_connection_everything_is_unavailable(
        self, servers: Servers, codec: Codec, tenant_id: str
    ) -> None:
        closed = await nats_client.connect(servers.nats_url, "cut off")
        await closed.close()
        log = EventLog(closed, codec, "tests")
        for asking in (
            log.last_sequence(),
            log.identity(),
            log.last_of(tenant_id, "account", "a"),
            log.at(1),
            log.tail(tenant_id, "account", "a"),
            log.append([Append(RateSet(currency="eur", value=1), 0)], metadata(tenant_id)),
            anext(log.read(0, ["evt.>"])),
        ):
            with pytest.raises(Unavailable):
                await asking


class TestOnTheWire:
    async def test_all_is_sealed_and_personal_text_once_more(
        self, client: Client, event_log: EventLog, codec: Codec, tenant_id: str
    ) -> None:
        account_id, meta = new_id(), metadata(tenant_id)
        [sequence] = await event_log.append([Append(opened(account_id, "Grace Hopper"), 0)], meta)
        raw = await client.jetstream().get_msg(STREAM, sequence)
        assert raw.data is not None
        assert account_id.encode() not in raw.data
        clear = await codec.clear(raw.data, tenant_id)
        assert b"Grace" not in clear
        body = orjson.loads(clear)
        assert body["number"] == account_id
        assert body["owner"]["of"] == f"account/{account_id}"
        assert raw.subject == f"evt.{tenant_id}.account.{account_id}.opened"

    async def test_attributes_follow_cloudevents(
        self, client: Client, event_log: EventLog, tenant_id: str
    ) -> None:
        account_id = new_id()
        meta = metadata(tenant_id).model_copy(
            update={"causation_id": new_id(), "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        )
        [sequence] = await event_log.append([Append(opened(account_id), 0)], meta)
        headers = (await client.jetstream().get_msg(STREAM, sequence)).headers or {}
        assert headers["ce-specversion"] == "1.0"
        assert headers["ce-type"] == "account.opened.v1"
        assert headers["ce-source"] == "/minirag/tests"
        assert headers["ce-subject"] == f"account/{account_id}"
        assert headers["ce-time"] == meta.now.isoformat()
        assert headers["ce-tenant"] == tenant_id
        assert headers["ce-actor"] == meta.actor
        assert headers["ce-correlationid"] == meta.correlation_id
        assert headers["ce-causationid"] == meta.causation_id
        assert headers["traceparent"] == meta.traceparent
        assert headers["ce-id"] == headers["Nats-Msg-Id"]


@pytest.mark.slow
class TestALostAcknowledgement:
    """The event is stored, but the writer cannot know: it must not take that for a failure."""

    async def test_is_unknown_and_found_again_by_the_command(
        self, servers: Servers, event_log: EventLog, codec: Codec, tenant_id: str
    ) -> None:
        one, several = new_id(), new_id()
        meta_one, meta_several = metadata(tenant_id), metadata(tenant_id)
        alone = [Append(opened(one), 0)]
        together = [
            Append(opened(several), 0),
            *(Append(deposited(several, n), None) for n in (1, 2)),
        ]
        async with proxied(servers.nats.port) as proxy:
            url = servers.nats_url.replace(str(servers.nats.port), str(proxy.port))
            writer = await nats_client.connect(url, "cut off")
            try:
                log = EventLog(writer, codec, "tests")
                proxy.swallow()
                waiting = asyncio.gather(
                    log.append(alone, meta_one),
                    log.append(together, meta_several),
                    log.last_of(tenant_id, "account", one),
                    return_exceptions=True,
                )

                async def arrived() -> None:
                    assert len(await stored(event_log, tenant_id, one)) == 1
                    assert len(await stored(event_log, tenant_id, several)) == 3

                await eventually(arrived)
                proxy.cut()
                assert [type(result) for result in await waiting] == [
                    Unknown,
                    Unknown,
                    Unavailable,
                ]
                for account_id, meta in ((one, meta_one), (several, meta_several)):
                    mine = await log.tail(tenant_id, "account", account_id)
                    assert {r.metadata.message_id for r in mine} == {meta.message_id}
                for appends, meta in ((alone, meta_one), (together, meta_several)):
                    with pytest.raises(StaleVersion):
                        await log.append(appends, meta)
                assert len(await stored(event_log, tenant_id, one)) == 1
                assert len(await stored(event_log, tenant_id, several)) == 3
            finally:
                await writer.close()
