"""The event log on JetStream: optimistic appends, all or none, and reads."""

import asyncio
import logging
import uuid
from base64 import b64decode
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.errors import APIError

from shared.adapters.envelope import (
    Codec,
    aggregate_subject,
    event_headers,
    event_subject,
    tenant_of,
    tenant_subjects,
)
from shared.adapters.nats_headers import header_lines
from shared.adapters.pull import Pull, PullEnded
from shared.contracts.base import Claim, Event, Metadata, Recorded
from shared.kernel import faults
from shared.kernel.errors import StaleVersion, Unavailable, Unknown
from shared.kernel.faults import FaultPoint
from shared.kernel.ids import derived_id, new_id
from shared.telemetry import facts, metrics, spans
from shared.telemetry.spans import Kind

log = logging.getLogger(__name__)

STREAM = "EVENTS"
CONFLICTS = frozenset({10071, 10164, 10163, 10201})
"""Wrong last sequence; the same on a cluster; try again; batch with a message already stored."""
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_FOR = "Nats-Expected-Last-Subject-Sequence-Subject"
TIMEOUT = 5.0
NOT_FOUND = 404
GET = f"$JS.API.STREAM.MSG.GET.{STREAM}"
HEAD = len(b"NATS/1.0\r\n")
"""What stands before the headers of a message."""
MOST_EVENTS = 1000
"""Of one append: what the server takes in one atomic batch."""


@dataclass(frozen=True, slots=True)
class Append:
    """One event, and what must be the last sequence of its aggregate for it to be stored."""

    event: Event
    expected: int | None
    """None: an earlier event of the same append already fences this aggregate."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in log order, and how many more are waiting behind them."""

    records: Sequence[Recorded[Event]]
    pending: int


class EventLog:
    """Truth. Nothing else in the product may not be thrown away."""

    def __init__(self, client: Client, codec: Codec, service: str) -> None:
        self._client = client
        self._js: JetStreamContext = client.jetstream(timeout=TIMEOUT)
        self._codec = codec
        self._service = service
        self._highest = 0
        """The highest place that this process knows to be taken."""
        self.damage: str | None = None
        """What is known to be wrong with the log; while something is, nothing is appended."""

    def found_damaged(self, damage: str) -> None:
        """Append nothing from now on: whatever is added would be mixed up with what was lost."""
        if self.damage is None:
            log.critical("the event log is damaged", extra={"damage": damage})
            self.damage = damage

    def refuse_if_damaged(self) -> None:
        """Raise `Unavailable` if nothing may be appended."""
        if self.damage is not None:
            raise Unavailable(
                "the event log is damaged and takes nothing until an operator restores it"
            )

    async def append(self, events: Sequence[Append], metadata: Metadata) -> list[int]:
        """Store all of `events` or none, and return their sequences.

        Raises `StaleVersion` if an aggregate moved, or if these very ids were stored before: with
        what events, only the log can tell. Raises `Unknown` if no acknowledgement came: the events
        may be stored all the same. Raises `Unavailable` if the log is damaged, and `NotFound` if
        the tenant was erased.
        """
        self.refuse_if_damaged()
        messages = [await self._message(n, append, metadata) for n, append in enumerate(events)]
        about = {"messaging.system": "nats", "messaging.destination.name": STREAM}
        span = spans.span(f"publish {STREAM}", Kind.PRODUCER, attributes=about)
        with span, metrics.APPEND_SECONDS.labels(self._service).time():
            last = await self._store(messages)
            span.tell("messaging.batch.message_count", len(events))
        for append in events:
            facts.appended(append.event, self._service)
        faults.passed(FaultPoint.LOG_APPENDED)
        return list(range(last - len(events) + 1, last + 1))

    async def transcribe(self, records: Sequence[Recorded[Event]], expected: int) -> int:
        """Store what another log told of one tenant, with its ids, times and actors, all or none.

        `expected` must be the last sequence of all the tenant's events, and claims among the
        records must be free. The sequences that the records name do not count. Returns the last
        one here; raises as `append`.
        """
        self.refuse_if_damaged()
        messages = []
        for n, record in enumerate(records):
            event, metadata = record.event, record.metadata
            tenant_id = tenant_of(event, metadata)
            headers = event_headers(event, record.event_id, metadata, self._service)
            if n == 0:
                headers |= {EXPECTED: str(expected), EXPECTED_FOR: tenant_subjects(tenant_id)}
            elif isinstance(event, Claim):
                claim = aggregate_subject(tenant_id, event.aggregate, event.aggregate_id)
                headers |= {EXPECTED: "0", EXPECTED_FOR: f"{claim}.*"}
            body = await self._codec.encode(event, metadata.tenant_id)
            messages.append((event_subject(tenant_id, event), body, headers))
        return await self._store(messages)

    async def _store(self, messages: Sequence[tuple[str, bytes, dict[str, str]]]) -> int:
        """The last sequence. Raises as `append`."""
        taken = self._highest
        faults.passed(FaultPoint.LOG_APPENDING)
        try:
            if len(messages) == 1:
                subject, body, headers = messages[0]
                ack = await self._js.publish(
                    subject, body, headers=headers, stream=STREAM, timeout=TIMEOUT
                )
                if ack.duplicate:
                    raise StaleVersion("another attempt stored its own event under this id")
                last = int(ack.seq)
            else:
                last = await self._atomic(messages)
        except APIError as error:
            if error.err_code in CONFLICTS:
                metrics.CONFLICTS.labels(self._service).inc()
                raise StaleVersion(str(error.description)) from error
            raise Unavailable(f"event log refused the append: {error.description}") from error
        except (nats.errors.Error, TimeoutError) as error:
            raise Unknown("no acknowledgement from the event log") from error
        first = last - len(messages) + 1
        if first <= taken:
            self.found_damaged(f"event {first} was stored where there had been one before")
            raise Unknown("the event log is damaged; the events are at places that were taken")
        self._highest = max(self._highest, last)
        return last

    async def tail(
        self, tenant_id: str, aggregate: str, aggregate_id: str, after: int = 0
    ) -> list[Recorded[Event]]:
        """Events of one aggregate behind sequence `after`, read from the leader's storage.

        Raises `Unavailable` if the log does not answer, `Unusable` at an event of a newer version.
        """
        subject = aggregate_subject(tenant_id, aggregate, aggregate_id)
        found: list[Recorded[Event]] = []
        sequence = after + 1
        while True:
            request: dict[str, Any] = {"seq": sequence, "next_by_subj": f"{subject}.*"}
            reply = await self._get(request)
            if reply is None:
                return found
            if (record := await self._decoded(*reply)) is not None:
                found.append(record)
            sequence = reply[0] + 1

    async def last_sequence_of(self, tenant_id: str, aggregate: str, aggregate_id: str) -> int:
        """Sequence of the aggregate's last event, 0 if it has none. From the leader: exact."""
        subject = aggregate_subject(tenant_id, aggregate, aggregate_id)
        reply = await self._get({"last_by_subj": f"{subject}.*"})
        return 0 if reply is None else reply[0]

    async def last_of(
        self, tenant_id: str, aggregate: str, aggregate_id: str
    ) -> Recorded[Event] | None:
        """The aggregate's last event, if it has one. From the leader: exact. Raises as `tail`."""
        subject = aggregate_subject(tenant_id, aggregate, aggregate_id)
        reply = await self._get({"last_by_subj": f"{subject}.*"})
        return None if reply is None else await self._decoded(*reply)

    async def last_sequence_in(self, tenant_id: str) -> int:
        """Sequence of the tenant's last event, 0 if it has none. From the leader: exact."""
        reply = await self._get({"last_by_subj": tenant_subjects(tenant_id)})
        return 0 if reply is None else reply[0]

    async def tenant_with(self, aggregate: str, aggregate_id: str) -> str | None:
        """Whose the aggregate of this id is, if there is one. Raises `Unavailable`."""
        reply = await self._get({"last_by_subj": f"evt.*.{aggregate}.{aggregate_id}.*"})
        return None if reply is None else reply[1]["ce-tenant"]

    async def at(self, sequence: int) -> Recorded[Event] | None:
        """The event at a position, if its tenant was not erased. Raises as `tail`."""
        reply = await self._get({"seq": sequence, "next_by_subj": "evt.>"})
        return None if reply is None or reply[0] != sequence else await self._decoded(*reply)

    async def together(self, record: Recorded[Event]) -> list[Recorded[Event]]:
        """All events of the append that `record` was part of, in order. Raises as `tail`."""
        command_id = record.metadata.message_id
        ids = (derived_id("event", command_id, str(n)) for n in range(MOST_EVENTS))
        place = next((n for n, found in enumerate(ids) if found == record.event_id), 0)
        events: list[Recorded[Event]] = []
        sequence = record.sequence - place
        while True:
            reply = await self._get({"seq": sequence, "next_by_subj": "evt.>"})
            if reply is None or reply[1].get("cmd-id") != command_id:
                return events
            if (told := await self._decoded(*reply)) is not None:
                events.append(told)
            sequence = reply[0] + 1

    async def last_sequence(self) -> int:
        """Sequence of the newest event of all. Raises `Unavailable`."""
        return int((await self._info()).state.last_seq)

    async def identity(self) -> str:
        """Tells this log from one that was made anew under the same name. Raises `Unavailable`."""
        return str((await self._info()).created)

    async def read(
        self,
        after: int,
        subjects: Sequence[str],
        *,
        batch: int = 500,
        since: datetime | None = None,
        idle: float | None = None,
        gather: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[Batch, None]:
        """Everything behind `after` that matches, in order, then what comes; never ends.

        With `since`, what was stored from then on; `after` does not count. With `idle`, an empty
        batch whenever nothing came for so many seconds. `gather` is waited for when something is
        there, before all of it is taken.

        The first batch is empty and tells how much there is to read; each other holds up to
        `batch` events, or more where one append stored more: what was appended together is read
        together, so that no read model shows half a decision. Events of tenants that were erased
        are passed over. Raises `PullEnded` if the server
        forgot the reader (a restart does that): start again behind the last event seen. Raises
        `Unusable` at an event of a newer version.
        """
        records: list[Recorded[Event]] = []
        reader = self.messages(after, subjects, batch=batch, since=since, idle=idle, gather=gather)
        async with aclosing(reader) as found:
            async for messages, pending in found:
                if not messages:
                    yield Batch([], pending)
                    continue
                told = await self._codec.recorded_all(
                    [(sequence_of(one), one.headers or {}, one.data) for one in messages]
                )
                records += [record for record in told if record is not None]
                if not records and not pending:
                    yield Batch([], 0)
                    continue
                whole = _whole(records) if pending else len(records)
                for part in _parts(records[:whole], batch):
                    whole -= len(part)
                    yield Batch(part, pending + whole)
                    records = records[len(part) :]

    async def messages(
        self,
        after: int,
        subjects: Sequence[str],
        *,
        batch: int,
        since: datetime | None = None,
        idle: float | None = None,
        gather: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[tuple[Sequence[Msg], int], None]:
        """As `read`, but as they are stored: messages, and how many more are waiting.

        Nobody acknowledges them, so what was on its way when a connection broke does not come
        again. That is seen by the numbers that the consumer gives, and by `idle` looks at the
        connection, and raises `PullEnded` as well.
        """
        name = f"read-{new_id()}"
        config = api.ConsumerConfig(
            name=name,
            filter_subjects=list(subjects),
            deliver_policy=(
                api.DeliverPolicy.BY_START_SEQUENCE
                if since is None
                else api.DeliverPolicy.BY_START_TIME
            ),
            opt_start_seq=after + 1 if since is None else None,
            opt_start_time=since,
            ack_policy=api.AckPolicy.NONE,
            mem_storage=True,
            num_replicas=1,
            inactive_threshold=60,
        )
        try:
            info = await self._js.add_consumer(STREAM, config)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("event log does not answer") from error
        reconnects = self._client.stats["reconnects"]
        pull = Pull(self._client, STREAM, name, batch=batch * 2)
        await pull.start()
        try:
            yield (), info.num_pending or 0
            delivered = 0
            while True:
                if self._client.stats["reconnects"] != reconnects:
                    raise PullEnded("the connection is another one")
                try:
                    async with asyncio.timeout(idle):
                        await pull.some()
                except TimeoutError:
                    yield (), 0
                    continue
                if gather is not None:
                    await gather()
                messages = await pull.get(batch)
                pending = int(messages[-1].reply.split(".")[8])
                delivered += len(messages)
                if int(messages[-1].reply.split(".")[6]) != delivered:
                    raise PullEnded("messages were lost on their way")
                yield messages, pending
        finally:
            await pull.stop()

    async def history(
        self,
        after: int,
        subjects: Sequence[str],
        *,
        batch: int = 500,
        since: datetime | None = None,
    ) -> AsyncGenerator[Sequence[Recorded[Event]], None]:
        """What lies behind `after`, or was stored since `since`, in batches, and then the end."""
        reader = self.read(after, subjects, batch=batch, since=since)
        async with aclosing(reader) as batches:
            async for found in batches:
                if found.records:
                    yield found.records
                if found.pending == 0:
                    return

    async def _info(self) -> api.StreamInfo:
        taken = self._highest
        try:
            info = await self._js.stream_info(STREAM)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("event log does not answer") from error
        if info.state.last_seq < taken:
            self.found_damaged(f"it ends at {info.state.last_seq} and had reached {taken}")
        self._highest = max(self._highest, info.state.last_seq)
        return info

    async def recorded(self, message: Msg) -> Recorded[Event] | None:
        """What one of `messages` tells; None if its tenant was erased. Raises `Unusable` at an
        event of a newer version.
        """
        sequence = sequence_of(message)
        return await self._decoded(sequence, message.headers or {}, message.data)

    async def _decoded(
        self, sequence: int, headers: Mapping[str, str], data: bytes
    ) -> Recorded[Event] | None:
        """None if its tenant was erased."""
        return await self._codec.recorded_or_erased(sequence, headers, data)

    async def _message(
        self, n: int, append: Append, metadata: Metadata
    ) -> tuple[str, bytes, dict[str, str]]:
        event = append.event
        tenant_id = tenant_of(event, metadata)
        event_id = derived_id("event", metadata.message_id, str(n))
        headers = event_headers(event, event_id, metadata, self._service)
        if append.expected is not None:
            # One spelling of the filter per aggregate: the server fences by the literal string.
            fence = aggregate_subject(tenant_id, event.aggregate, event.aggregate_id)
            headers[EXPECTED] = str(append.expected)
            headers[EXPECTED_FOR] = f"{fence}.*"
        body = await self._codec.encode(event, metadata.tenant_id)
        return event_subject(tenant_id, event), body, headers

    async def _atomic(self, messages: Sequence[tuple[str, bytes, dict[str, str]]]) -> int:
        """Atomic batch publish (NATS ADR-50): only the commit is answered."""
        batch_id = uuid.UUID(new_id()).hex
        for n, (subject, body, headers) in enumerate(messages, 1):
            batched = {**headers, "Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(n)}
            if n < len(messages):
                await self._client.publish(subject, body, headers=batched)
                continue
            faults.passed(FaultPoint.LOG_BATCHED)
            batched["Nats-Batch-Commit"] = "1"
            reply = await self._client.request(subject, body, timeout=TIMEOUT, headers=batched)
            answer = orjson.loads(reply.data)
            if "error" in answer:
                raise APIError.from_error(answer["error"])
            return int(answer["seq"])
        raise ValueError("nothing to append")

    async def _get(self, request: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes] | None:
        """One message by `STREAM.MSG.GET`, which the leader answers: no stale replica can.

        nats-py has this call too; it reads headers with a parser for e-mail, which takes longer
        than all the rest.
        """
        try:
            reply = await self._client.request(GET, orjson.dumps(request), timeout=TIMEOUT)
        except (nats.errors.Error, TimeoutError) as error:
            raise Unavailable("event log does not answer") from error
        answer = orjson.loads(reply.data)
        if (refusal := answer.get("error")) is not None:
            if refusal.get("code") == NOT_FOUND:
                return None
            raise Unavailable(f"event log does not answer: {refusal.get('description')}")
        found = answer["message"]
        head = b64decode(found.get("hdrs", ""))[HEAD:]
        return found["seq"], header_lines(head) if head else {}, b64decode(found.get("data", ""))


def sequence_of(message: Msg) -> int:
    """Where in the log a message that a consumer delivered is stored."""
    return int(message.reply.split(".")[5])


def _whole(records: Sequence[Recorded[Event]]) -> int:
    """How many of `records` come before the last append, of which more may follow."""
    if not records:
        return 0
    last = records[-1].metadata.message_id
    whole = len(records)
    while whole and records[whole - 1].metadata.message_id == last:
        whole -= 1
    return whole


def _parts(records: Sequence[Recorded[Event]], most: int) -> Iterator[Sequence[Recorded[Event]]]:
    """At most so many at a time, but never a part of an append."""
    start = 0
    while start < len(records):
        end = min(start + most, len(records))
        while start < end < len(records) and _together(records, end):
            end -= 1
        if end == start:
            end = start + most
            while end < len(records) and _together(records, end):
                end += 1
        yield records[start:end]
        start = end


def _together(records: Sequence[Recorded[Event]], n: int) -> bool:
    """Whether a cut before record `n` goes through an append."""
    return records[n - 1].metadata.message_id == records[n].metadata.message_id
