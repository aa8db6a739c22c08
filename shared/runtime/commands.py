"""Load, decide, append, project, tell: the only place where a command becomes events.

The order makes every crash harmless: the event is stored before the rows, the rows before the
outcome is told, and all of it before the command is acknowledged. Whoever repeats the command
finds the outcome, or the event with the command's id at the aggregate's tail.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.adapters.aggregate_rows import Key, Snapshot, StoredOutcome, key_of
from shared.adapters.envelope import only_tenant, tenant_of
from shared.adapters.event_log import Append, EventLog
from shared.adapters.memo import Memo
from shared.adapters.read_model import Overtaken, ReadModelStore, of_whole_tenant
from shared.contracts.base import (
    Claim,
    Command,
    Done,
    Event,
    Metadata,
    Outcome,
    Recorded,
    Refusal,
)
from shared.kernel import faults
from shared.kernel.decider import AnyDecider
from shared.kernel.errors import Conflict, NotFound, Refused, StaleVersion, Unavailable, Unknown
from shared.kernel.faults import FaultPoint
from shared.kernel.ids import derived_id
from shared.runtime.consumer import Turnstile
from shared.telemetry import metrics, spans

DECISIONS = 6
"""How often a command is decided anew because somebody else appended first."""

Check = Callable[[Any, Metadata], Awaitable[None]]
"""Raises `Refused` when a fact outside the aggregate forbids the command."""
Before = Callable[[Any, Metadata], Awaitable[None]]
"""Has done what must have happened before the command; repeated when the command is."""
Made = Callable[[Sequence[Recorded[Any]]], Mapping[str, Any] | None]
"""What the owner would answer about what the events of a decision made, if it tells that."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    state: Any
    version: int
    tail: Sequence[Recorded[Event]]
    """Events that the read model does not show yet."""


@dataclass
class CommandHandler:
    """Handles the commands of one read model's aggregates."""

    store: ReadModelStore
    event_log: EventLog
    check: Check | None = None
    before: Before | None = None
    made: Made | None = None
    _turnstile: Turnstile = field(default_factory=Turnstile)

    async def execute(
        self, command: Command, metadata: Metadata, *, redelivered: bool = False
    ) -> Outcome:
        """Handle `command` once, however often it is sent.

        Raises `Unavailable` if log or database do not answer: try again, nothing is half done.
        """
        name = f"{command.aggregate}.{command.verb}"
        service = self.store.model.service
        outcome, started = "failed", time.perf_counter()
        try:
            with spans.span(f"handle {name}", attributes={"minirag.command": name}) as span:
                done = await self._execute(command, metadata, redelivered=redelivered)
                outcome = "refused" if isinstance(done, Refusal) else "done"
                span.tell("minirag.outcome", outcome)
            return done
        finally:
            metrics.COMMANDS.labels(service, name, outcome).inc()
            metrics.COMMAND_SECONDS.labels(service).observe(time.perf_counter() - started)

    async def _execute(self, command: Command, metadata: Metadata, *, redelivered: bool) -> Outcome:
        key = f"{metadata.tenant_id}.{command.aggregate}.{command.aggregate_id}"
        async with self._turnstile.hold(key):
            known, kept = await self._look(command, metadata)
            if known is not None:
                return known
            if self.before is not None:
                await self.before(command, metadata)
            try:
                with self.store.settled.deciding():
                    return await self._decide(command, metadata, kept, redelivered=redelivered)
            except NotFound as erased:  # the tenant was, between the decision and the append
                return await self._settle(metadata, (), _refusal(erased))

    async def give_up(self, metadata: Metadata) -> Outcome:
        """Remember that the command failed at every attempt, unless it came to something."""
        refusal = Refusal(code="given-up", detail="The command failed at every attempt.")
        stored = StoredOutcome(metadata.tenant_id, None, refusal)
        async with self.store.writing() as db:
            await self.store.record_outcome(db, metadata.message_id, metadata.now, stored)
        return await self._known(metadata) or refusal

    async def execute_together(self, commands: Sequence[Command], metadata: Metadata) -> None:
        """Handle commands to aggregates of one type as one decision: all are done, or none.

        Raises the first refusal, `StaleVersion` if an aggregate moved meanwhile (or the decision
        is in the log already, and not shown yet), or `Unavailable`.
        """
        if await self.store.outcome(metadata.message_id) is not None:
            return
        aggregate = commands[0].aggregate
        kept = await self.store.snapshots(
            aggregate, metadata.tenant_id, [command.aggregate_id for command in commands]
        )
        appends: list[Append] = []
        for command, snapshot in zip(commands, kept, strict=True):
            events = self._decider(aggregate).decide(snapshot.state, command, metadata)
            appends += [
                Append(event, None if n else snapshot.version) for n, event in enumerate(events)
            ]
        if not appends:
            return
        sequences = await self.event_log.append(appends, metadata)
        stored = _recorded([append.event for append in appends], metadata, sequences)
        await self._settle(metadata, stored, Done(position=sequences[-1]))

    async def current(
        self, aggregate: str, tenant_id: str, aggregate_id: str, memo: Memo | None = None
    ) -> Any:
        """The aggregate's state with every event that is in the log. Raises `Unavailable`.

        `memo` keeps what its row said: the log is asked for what came behind that all the same.
        """

        async def read() -> Snapshot:
            return await self.store.snapshot(aggregate, tenant_id, aggregate_id)

        name = ("state", aggregate, aggregate_id)
        kept = await (read() if memo is None else memo.of(tenant_id, name, read))
        return (await self._behind(aggregate, tenant_id, aggregate_id, kept)).state

    async def _look(self, command: Command, metadata: Metadata) -> tuple[Outcome | None, Snapshot]:
        """What the command came to, if rows tell that already, and its aggregate."""
        known, kept = await self.store.look(
            metadata.message_id, command.aggregate, metadata.tenant_id, command.aggregate_id
        )
        return None if known is None else _outcome(known), kept

    async def _known(self, metadata: Metadata) -> Outcome | None:
        known = await self.store.outcome(metadata.message_id)
        return None if known is None else _outcome(known)

    async def _decide(
        self, command: Command, metadata: Metadata, kept: Snapshot, *, redelivered: bool
    ) -> Outcome:
        look_behind = redelivered
        for attempt in range(DECISIONS):
            if attempt:
                known, kept = await self._look(command, metadata)
                if known is not None:  # another replica has shown what it came to there
                    return known
            loaded = _Loaded(kept.state, kept.version, ())
            if look_behind:
                loaded = await self._behind(
                    command.aggregate, metadata.tenant_id, command.aggregate_id, kept
                )
            try:
                return await self._decide_on(loaded, command, metadata)
            except StaleVersion:
                await asyncio.sleep(attempt * random.uniform(0.001, 0.01))  # noqa: S311  jitter
            except Unknown:
                await asyncio.sleep(attempt * 0.1)
            look_behind = True
        raise Unavailable("too many writers on one aggregate")

    async def _decide_on(self, loaded: _Loaded, command: Command, metadata: Metadata) -> Outcome:
        """Raises `StaleVersion` or `Unknown` if the log has to be looked at again."""
        mine = [r for r in loaded.tail if r.metadata.message_id == metadata.message_id]
        if mine:
            # The aggregate's tail holds only a part if the decision reached others as well.
            whole = await self.event_log.together(mine[0])
            in_order = {r.sequence: r for r in (*loaded.tail, *whole)}
            records = [in_order[sequence] for sequence in sorted(in_order)]
            return await self._settle(metadata, records, Done(position=whole[-1].sequence))
        try:
            if self.check is not None:
                await self.check(command, metadata)
            events = list(self._decider(command.aggregate).decide(loaded.state, command, metadata))
        except Refused as refused:
            return await self._settle(metadata, loaded.tail, _refusal(refused))
        if not events:
            return await self._settle(metadata, loaded.tail, Done(position=loaded.version))
        try:
            stored = await self._append(command, events, loaded.version, metadata)
        except StaleVersion:
            if taken := await self._taken(events, metadata):
                return await self._settle(metadata, loaded.tail, _refusal(taken))
            raise
        made = None if self.made is None else self.made(stored)
        done = Done(position=stored[-1].sequence, made=made)
        before = self._before(command, loaded, stored)
        return await self._settle(metadata, [*loaded.tail, *stored], done, before)

    async def _behind(
        self, aggregate: str, tenant_id: str, aggregate_id: str, kept: Snapshot
    ) -> _Loaded:
        """What was kept, with every event that is in the log."""
        tail = await self.event_log.tail(tenant_id, aggregate, aggregate_id, kept.version)
        state = self._decider(aggregate).fold((r.event for r in tail), kept.state)
        return _Loaded(state, tail[-1].sequence if tail else kept.version, tail)

    def _before(
        self, command: Command, loaded: _Loaded, stored: Sequence[Recorded[Event]]
    ) -> dict[Key, Snapshot] | None:
        """The aggregates of a decision as their rows showed them: all but the command's own are
        new. None if rows are to be looked at one by one.
        """
        if loaded.tail or any(of_whole_tenant(record.event) for record in stored):
            return None
        kept = Snapshot(loaded.state, loaded.version)
        own = (command.aggregate, command.aggregate_id)
        found: dict[Key, Snapshot] = {}
        for record in stored:
            event = record.event
            is_own = (event.aggregate, event.aggregate_id) == own
            found[key_of(record)] = kept if is_own else self.store.rows.initial(event.aggregate)
        # What is new is locked in order; of what is there, one row by itself needs none.
        simple = len(found) == 1 or not any(snapshot.version for snapshot in found.values())
        return found if simple else None

    async def _append(
        self, command: Command, events: Sequence[Event], version: int, metadata: Metadata
    ) -> list[Recorded[Event]]:
        fenced: set[tuple[str, str]] = set()
        appends = []
        for event in events:
            identity = (event.aggregate, event.aggregate_id)
            own = identity == (command.aggregate, command.aggregate_id)
            expected = None if identity in fenced else version if own else 0
            fenced.add(identity)
            appends.append(Append(event, expected))
        return _recorded(events, metadata, await self.event_log.append(appends, metadata))

    async def _taken(self, events: Sequence[Event], metadata: Metadata) -> Refused | None:
        """Whether a claim among `events` was somebody else's first."""
        for event in events:
            if not isinstance(event, Claim):
                continue
            tenant_id = tenant_of(event, metadata)
            last = await self.event_log.last_of(tenant_id, event.aggregate, event.aggregate_id)
            if last is not None and last.metadata.message_id != metadata.message_id:
                return Conflict(event.taken)
        return None

    async def _settle(
        self,
        metadata: Metadata,
        records: Sequence[Recorded[Event]],
        outcome: Outcome,
        before: Mapping[Key, Snapshot] | None = None,
    ) -> Outcome:
        """Show `records`, and remember what the command came to. `before`: the aggregates as they
        were when it was decided, if they are as the rows showed them.
        """
        try:
            await self._show(metadata, records, outcome, before)
        except Overtaken:
            records = await self._with_forgotten(records, before or {})
            await self._show(metadata, records, outcome, None)
        self.store.shown(records)
        self.store.settled.add(records)
        faults.passed(FaultPoint.COMMAND_SHOWN)
        return outcome

    async def _with_forgotten(
        self, records: Sequence[Recorded[Event]], before: Mapping[Key, Snapshot]
    ) -> list[Recorded[Event]]:
        """`records` behind those that rows do not show any more, in the order of the log.

        A database that crashed may have forgotten what was decided on. Rows that go past an event
        would never show it.
        """
        whole = {record.sequence: record for record in records}
        for (tenant_id, aggregate, aggregate_id), past in before.items():
            kept = await self.store.snapshot(aggregate, tenant_id, aggregate_id)
            if kept.version < past.version:
                tail = await self.event_log.tail(tenant_id, aggregate, aggregate_id, kept.version)
                whole.update((record.sequence, record) for record in tail)
        return [whole[sequence] for sequence in sorted(whole)]

    async def _show(
        self,
        metadata: Metadata,
        records: Sequence[Recorded[Event]],
        outcome: Outcome,
        before: Mapping[Key, Snapshot] | None,
    ) -> None:
        """Raise `Overtaken` if `before` is not how it was."""
        position = outcome.position if isinstance(outcome, Done) else None
        refusal = outcome if isinstance(outcome, Refusal) else None
        told = any(r.metadata.message_id == metadata.message_id for r in records)
        tenant_id = only_tenant(metadata.tenant_id, records)
        narrowed = tenant_id is not None
        async with self.store.writing(tenant_id) as db:
            if before is None:
                await self.store.apply(db, records, narrowed=narrowed)
            else:
                await self.store.apply_decision(db, records, before, narrowed=narrowed)
            if not told:  # an event's rows tell what its command came to
                await self.store.record_outcome(
                    db,
                    metadata.message_id,
                    metadata.now,
                    StoredOutcome(metadata.tenant_id, position, refusal),
                )
            faults.passed(FaultPoint.COMMAND_ROWS)

    def _decider(self, aggregate: str) -> AnyDecider:
        decider = self.store.model.owns[aggregate]
        assert decider is not None  # noqa: S101  an aggregate that takes commands has a decider
        return decider


def _outcome(known: StoredOutcome) -> Outcome:
    return known.refusal or Done(position=known.position or 0)


def _refusal(refused: Refused) -> Refusal:
    return Refusal(code=refused.code, detail=refused.detail, field=refused.field)


def _recorded(
    events: Sequence[Event], metadata: Metadata, sequences: Sequence[int]
) -> list[Recorded[Event]]:
    return [
        Recorded(event, metadata, derived_id("event", metadata.message_id, str(n)), sequence)
        for n, (event, sequence) in enumerate(zip(events, sequences, strict=True))
    ]
