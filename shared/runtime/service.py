"""A service is a list of what it takes, works, reacts to, projects and answers.

`main.py` of each service writes that list; this is the life they share. FastStream carries the
broker connection and the questions; commands, jobs, reactions and projections, where order,
heartbeats and dead letters matter, run on the kernel's own pull loops over the same connection.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import nats.errors

from shared.adapters.envelope import Erased, metadata_headers
from shared.adapters.memo import Memo
from shared.adapters.nats_client import taken_in
from shared.adapters.projector import Projector
from shared.adapters.read_model import ReadModel, ReadModelStore
from shared.adapters.topology import command_consumer, reaction_consumer
from shared.contracts.base import (
    Command,
    Done,
    Event,
    Message,
    Metadata,
    Outcome,
    Question,
    Recorded,
    Refusal,
)
from shared.contracts.gateway_letters import DeadLetterDiscarded, DeadLetterReplayOrdered
from shared.contracts.operations import (
    AwaitPosition,
    GetHealth,
    GetOutcome,
    MaybeOutcome,
    Position,
    ReadModelHealth,
    Rebuild,
    Rebuilt,
    Repeat,
    ServiceHealth,
)
from shared.kernel.clock import utc_now
from shared.kernel.errors import NotFound, refused
from shared.kernel.ids import derived_id
from shared.runtime.bus import heard, outcome_body, outcome_subject, own_subject, question_subject
from shared.runtime.commands import Before, Check, CommandHandler, Made
from shared.runtime.consumer import Consumer, Delivery, Poison, aggregate_key
from shared.runtime.dead_letters import DeadLetters
from shared.runtime.lanes import PLACES, SHARE, Lanes
from shared.runtime.leaving import Serve, worked
from shared.runtime.platform import Platform
from shared.runtime.questions import Answer, Questions
from shared.runtime.reading import command_of, event_of, metadata_of
from shared.runtime.repeating import Repeating
from shared.runtime.replaying import NAME as REPLAYS, Replaying
from shared.runtime.timers import Timers, Wake, WakeGivenUp, hearing

log = logging.getLogger(__name__)

COMMAND_ATTEMPTS = 8
REACTION_ATTEMPTS = 20
COMMAND_CONCURRENCY = 64
PART_SECONDS = 1.0
WAY_SECONDS = 0.1
"""How long what nobody waits for gives way at most: what comes meanwhile is then taken together."""

Q = TypeVar("Q", bound=Question[Any])
A = TypeVar("A", bound=Message)
Ev = TypeVar("Ev", bound=Event)
Reaction = Callable[[Recorded[Any]], Awaitable[None]]
Loop = Callable[[], Coroutine[Any, Any, None]]
JobGivenUp = Callable[["Job", str], Awaitable[None]]
Part = Callable[[], Awaitable[str]]
"""Tells `ok`, perhaps with a version behind it, or what is wrong with a backing part."""


class Job:
    """A piece of long work about one aggregate, as its worker sees it."""

    def __init__(self, delivery: Delivery, metadata: Metadata) -> None:
        tokens = delivery.subject.split(".")
        self.aggregate, self.aggregate_id, self.kind = tokens[2], tokens[3], tokens[4]
        self.body = delivery.data
        self.attempt = delivery.attempt
        self.metadata = metadata


class Service:
    """One service in one process."""

    def __init__(self, platform: Platform) -> None:
        self.name = platform.service
        self.platform = platform
        self.timers = Timers(platform.client)
        self.ready, self.served = asyncio.Event(), asyncio.Event()
        self._consumers: list[Consumer | Lanes] = []
        self._projectors: dict[str, Projector] = {}
        self._handlers: dict[str, CommandHandler] = {}
        self._loops: list[Loop] = [
            platform.keep_streams,
            platform.heed_damage,
            platform.close_unused,
        ]
        self._servers: list[Serve] = []
        self._starts: list[Callable[[], Awaitable[None]]] = []
        self._after_rebuild: dict[str, Callable[[], Awaitable[None]]] = {}
        self._parts: dict[str, Part] = {}
        self._dead_letters = DeadLetters(platform.client, platform.event_log, self.name)
        self._questions = Questions(self.name, platform.broker, platform.neighbours)
        self.answers(GetHealth, self._health)
        self._questions.add(own_subject(self.name, GetHealth.name), "", GetHealth, self._health)
        self.answers(AwaitPosition, self._await_position)
        self.answers(GetOutcome, self._get_outcome)
        self.answers(Rebuild, self._rebuild)
        again = Repeating(platform.client, self._consumers)
        self.answers(Repeat, again.answer)
        replay = Replaying(platform, again.repeat)
        ordered = (DeadLetterReplayOrdered, DeadLetterDiscarded)
        self.reacts(REPLAYS, ordered, replay, given_up=replay.give_up)

    # What main.py writes

    def keeps(self, model: ReadModel, *, awaited: bool = False) -> ReadModelStore:
        """Keep a read model: project into it, and answer from what this returns.

        Unless it is `awaited` by somebody, what is waited for goes before its events.
        """
        store = ReadModelStore(self.platform.engine, model)
        give_way = None if awaited else self._give_way
        self._projectors[model.name] = Projector(
            store, self.platform.event_log, self.platform.guard, give_way
        )
        return store

    def takes(
        self,
        store: ReadModelStore,
        commands: Sequence[type[Command]],
        check: Check | None = None,
        before: Before | None = None,
        made: Made | None = None,
    ) -> None:
        """Take these commands; their aggregates' state is kept by `store`."""
        handler = self.owns(store, check, before, made)
        classes = {(command.aggregate, command.verb): command for command in commands}

        async def handle(delivery: Delivery) -> None:
            _, _, aggregate, _, verb = delivery.subject.split(".")
            cls = classes.get((aggregate, verb))
            if cls is None:
                raise Poison(f"{self.name} takes no command {aggregate}.{verb}")
            metadata = metadata_of(delivery)
            try:
                command = await command_of(self.platform.codec, cls, delivery, metadata)
            except Erased:
                await self._tell(metadata, Refusal(code=NotFound.code, detail="Tenant not found"))
                return
            outcome = await handler.execute(command, metadata, redelivered=delivery.attempt > 1)
            await self._tell(metadata, outcome)

        async def give_up(delivery: Delivery, reason: str) -> None:
            await self._dead_letters.record(delivery, reason)
            try:
                metadata = metadata_of(delivery)
            except Poison:
                return  # it does not tell who waits
            await self._tell(metadata, await handler.give_up(metadata))

        aggregates = sorted({command.aggregate for command in commands})
        config = command_consumer(f"{self.name}-{store.model.name}", aggregates)
        self._consume(
            "CMDS",
            config,
            handle,
            give_up,
            key=aggregate_key,
            concurrency=COMMAND_CONCURRENCY,
            max_attempts=COMMAND_ATTEMPTS,
        )

    def owns(
        self,
        store: ReadModelStore,
        check: Check | None = None,
        before: Before | None = None,
        made: Made | None = None,
    ) -> CommandHandler:
        """Handle this service's own commands to the aggregates of `store`."""
        handler = CommandHandler(store, self.platform.event_log, check, before, made)
        self._handlers |= dict.fromkeys(store.model.owns, handler)
        return handler

    def works(
        self,
        kinds: Mapping[str, Callable[[Job], Awaitable[None]]],
        given_up: JobGivenUp,
        *,
        places: int = PLACES,
        share: int = SHARE,
    ) -> None:
        """Work the jobs of these kinds, as `Lanes` has it; of one aggregate one at a time here."""

        async def handle(delivery: Delivery) -> None:
            job = Job(delivery, metadata_of(delivery))
            if job.kind not in kinds:
                raise Poison(f"{self.name} works no job {job.kind}")
            await kinds[job.kind](job)

        async def give_up(delivery: Delivery, reason: str) -> None:
            await self._dead_letters.record(delivery, reason)
            try:
                job = Job(delivery, metadata_of(delivery))
            except Poison:
                return  # it does not tell whose it is
            if job.kind in kinds:
                await given_up(job, reason)

        lanes = Lanes(
            self.platform.client,
            self.name,
            handle,
            give_up,
            key=aggregate_key,
            places=places,
            share=share,
        )
        self._consumers.append(lanes)

    def reacts(
        self,
        name: str,
        to: Sequence[type[Event]],
        reaction: Reaction,
        *,
        concurrency: int = 16,
        attempts: int = REACTION_ATTEMPTS,
        in_order: bool = False,
        from_now: bool = False,
        awaited: bool = False,
        given_up: Callable[[Recorded[Any], str], Awaitable[None]] | None = None,
    ) -> None:
        """Do `reaction` for every such fact, at least once, in order per aggregate.

        With `in_order` one after another in the order of the log, whichever replica does it.
        With `from_now` not for what was told before its first start. Unless it is `awaited` by
        somebody, it gives way to what is, for a moment. What came in with an archive
        is passed over: what followed from it came too.
        """
        codec = self.platform.codec

        async def handle(delivery: Delivery) -> None:
            record = await event_of(codec, delivery)
            if record is not None and record.metadata.imported is None:
                await reaction(record)

        async def give_up(delivery: Delivery, reason: str) -> None:
            await self._dead_letters.record(delivery, reason)
            if given_up is not None:
                with suppress(Poison):
                    if (record := await event_of(codec, delivery)) is not None:
                        await given_up(record, reason)

        pairs = [(event.aggregate, event.name) for event in to]
        self._consume(
            "EVENTS",
            reaction_consumer(self.name, name, pairs, in_order=in_order, from_now=from_now),
            handle,
            give_up,
            key=aggregate_key,
            concurrency=1 if in_order else concurrency,
            max_attempts=attempts,
            give_way=None if awaited else self._give_way,
        )

    def wakes(self, kind: str, wake: Wake, given_up: WakeGivenUp | None = None) -> None:
        """Do `wake` when a timer of this kind goes off, at least once."""
        client, record = self.platform.client, self._dead_letters.record
        self._consumers.append(hearing(client, self.name, kind, wake, given_up, record))

    def answers(
        self,
        question: type[Q],
        answer: Answer[Q],
        memo: Memo | None = None,
    ) -> None:
        """Answer a question over request/reply; any replica may. `memo` keeps answers that follow
        from its rows and the question alone, not from who asks nor when.
        """
        subject = question_subject(self.name, question.name)
        self._questions.add(subject, self.name, question, answer, memo)

    def remembers(self, store: ReadModelStore) -> Memo:
        """Somewhere to keep answers from these rows until they change."""
        memo = Memo(store)
        self.starts(partial(memo.follow, self.platform.client))
        return memo

    def runs(self, loop: Loop) -> None:
        """Run something of the service's own; its end or failure ends the service."""
        self._loops.append(loop)

    def serves(self, serve: Serve) -> None:
        """Run something that drains by itself once the event it is given is set."""
        self._servers.append(serve)

    def starts(self, start: Callable[[], Awaitable[None]]) -> None:
        """Do something before anything is taken."""
        self._starts.append(start)

    def after_rebuild(self, read_model: str, tidy: Callable[[], Awaitable[None]]) -> None:
        """Do something once a read model was swapped."""
        self._after_rebuild[read_model] = tidy

    def depends(self, part: str, check: Part) -> None:
        """Tell in health answers how a backing part does."""
        self._parts[part] = check

    # What handlers may do

    async def execute(self, command: Command, cause: Metadata, purpose: str) -> Done:
        """Handle a command of this service's own, as the consequence of `cause`.

        Its id follows from cause and purpose, so that repeated work repeats nothing; nobody else
        knows it, or waits to hear of it. Raises the refusal, or `Unavailable`.
        """
        metadata = self._caused(cause, purpose)
        handler = self._handlers[command.aggregate]
        outcome = await handler.execute(command, metadata, redelivered=True)
        if isinstance(outcome, Refusal):
            raise refused(outcome.code, outcome.detail, outcome.field)
        return outcome

    async def execute_together(
        self, commands: Sequence[Command], cause: Metadata, purpose: str
    ) -> None:
        """As `execute`, for commands to aggregates of one type: all are done, or none.

        Raises `StaleVersion` too: then they may be executed one by one.
        """
        handler = self._handlers[commands[0].aggregate]
        await handler.execute_together(commands, self._caused(cause, purpose))

    async def current(
        self, aggregate: str, tenant_id: str, of: str, memo: Memo | None = None
    ) -> Any:
        """State of an aggregate this service owns, up to the newest event in the log."""
        return await self._handlers[aggregate].current(aggregate, tenant_id, of, memo)

    def shown(self, read_model: str) -> Callable[[int, float], Awaitable[int]]:
        """Waits until this read model shows a position, for so many seconds at most."""
        return self._projectors[read_model].await_position

    async def rebuild(self, read_model: str) -> Rebuilt:
        """Make a read model anew from the log, beside the old one, and swap."""
        rebuilt = await self._projectors[read_model].rebuild()
        if (tidy := self._after_rebuild.get(read_model)) is not None:
            await tidy()
        return rebuilt

    async def dispatch_job(
        self, aggregate: str, aggregate_id: str, kind: str, cause: Metadata, body: bytes = b""
    ) -> None:
        """Queue a job; the same cause and kind queue it once."""
        job_id = derived_id("job", cause.message_id, aggregate_id, kind)
        caused = cause.caused(message_id=job_id, now=utc_now(), actor=f"service/{self.name}")
        headers = {**metadata_headers(caused), "Nats-Msg-Id": job_id}
        await self.platform.client.jetstream().publish(
            f"job.{cause.tenant_id}.{aggregate}.{aggregate_id}.{kind}",
            body,
            headers=headers,
            stream="JOBS",
        )

    async def health(self) -> ServiceHealth:
        """How this process does. Raises what Postgres raises when it is away."""
        parts = {name: await _state(check) for name, check in self._parts.items()}
        models = [
            ReadModelHealth(name=name, position=await p.store.position(), lag=p.pending)
            for name, p in self._projectors.items()
        ]
        sick = [f"{name}: {state}" for name, state in parts.items() if not state.startswith("ok")]
        if self.platform.event_log.damage is not None:
            sick.append("log: damaged")
        return ServiceHealth(
            service=self.name,
            status="degraded" if sick else "ok",
            detail="; ".join(sick) or None,
            read_models=tuple(models),
            parts=parts,
        )

    # Its life

    async def run(self, stopping: asyncio.Event, closed: asyncio.Event | None = None) -> None:
        """Start, work until `stopping` is set, drain, stop.

        `closed` is set when nobody is inside any more, here or in another service of the process.
        Raises whatever ended a loop: a service with a dead part must not look alive.
        """
        for projector in self._projectors.values():
            await projector.prepare()
        for consumer in self._consumers:
            await consumer.ensure()
        for start in self._starts:
            await start()
        async with asyncio.TaskGroup() as background:
            tasks = [
                background.create_task(projector.run()) for projector in self._projectors.values()
            ]
            tasks += [background.create_task(loop()) for loop in self._loops]
            for projector in self._projectors.values():
                await projector.ready.wait()
            await self.platform.broker.start()
            with suppress(nats.errors.Error, TimeoutError):
                await taken_in(self.platform.client)  # or who asks at once finds nobody listening
            self._questions.open(background)
            self.ready.set()
            log.info("service started", extra={"service": self.name})
            last = closed or self.served
            await worked(self._consumers, self._servers, stopping, self.served, last)
            await self._questions.close()
            for task in tasks:
                task.cancel()
        log.info("service stopped", extra={"service": self.name})

    def _consume(self, *args: Any, **kwargs: Any) -> None:
        self._consumers.append(Consumer(self.platform.client, *args, **kwargs))

    async def _give_way(self) -> None:
        await self.platform.neighbours.precedence.give_way(WAY_SECONDS)

    def _caused(self, cause: Metadata, purpose: str) -> Metadata:
        command_id = derived_id("command", cause.message_id, purpose)
        return cause.caused(message_id=command_id, now=utc_now(), actor=f"service/{self.name}")

    async def _tell(self, metadata: Metadata, outcome: Outcome) -> None:
        """Tell whoever waits. Not durable: who misses it finds the stored outcome."""
        body = outcome_body(outcome)
        if heard(self.platform.neighbours.waiting, metadata.message_id, body):
            return  # in this process, and nobody else has ordered it
        subject = outcome_subject(metadata.tenant_id, metadata.message_id)
        await self.platform.client.publish(subject, body)

    async def _health(self, _question: GetHealth, _metadata: Metadata) -> ServiceHealth:
        return await self.health()

    async def _await_position(self, question: AwaitPosition, _metadata: Metadata) -> Position:
        projector = self._projectors.get(question.read_model)
        if projector is None:
            raise NotFound(f"{self.name} keeps no read model {question.read_model!r}")
        reached = await projector.await_position(question.position, question.seconds)
        return Position(position=reached)

    async def _rebuild(self, question: Rebuild, _metadata: Metadata) -> Rebuilt:
        projector = self._projectors.get(question.read_model)
        if projector is None:
            raise NotFound(f"{self.name} keeps no read model {question.read_model!r}")
        return await self.rebuild(question.read_model)

    async def _get_outcome(self, question: GetOutcome, metadata: Metadata) -> MaybeOutcome:
        for projector in self._projectors.values():
            known = await projector.store.outcome(question.command_id)
            if known is not None and known.tenant_id == metadata.tenant_id:
                return MaybeOutcome(outcome=known.refusal or Done(position=known.position or 0))
        return MaybeOutcome(outcome=None)


async def _state(check: Part) -> str:
    """What a part's check tells; a failing check is an answer too."""
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await check()
    except Exception as error:  # noqa: BLE001  whatever is wrong with it, it is not ok
        log.warning("part is not well", extra={"error": str(error) or repr(error)})
        return "not reachable"
