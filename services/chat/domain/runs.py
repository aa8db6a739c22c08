"""What may happen to a run of variants over a suite: one result per question and variant."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from services.chat.domain.overrides import check_changes
from services.chat.domain.shadow_index import check_indexes
from shared.contracts.base import Message, Metadata
from shared.contracts.chat_playground import (
    CancelRun,
    ContinueRun,
    RecordResult,
    RecordVerdict,
    ResultRecorded,
    RunCancelled,
    RunCommand,
    RunContinued,
    RunEnded,
    RunEvent,
    RunPlan,
    RunStarted,
    StartRun,
    VerdictRecorded,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound


class NoRun(Message):
    kind: Literal["absent"] = "absent"


class Run(Message):
    """Places are numbers: that of the question, times the number of variants, plus the variant's.

    Sets of them are small tuples, for the state is written with every result.
    """

    kind: Literal["present"] = "present"
    plan: RunPlan
    results: tuple[int, ...] = ()
    verdicts: tuple[int, ...] = ()
    stretch: int = 0
    """Which stretch of work is on."""
    status: Literal["running", "ended", "cancelled"] = "running"

    def place(self, question_id: str, variant: int) -> int | None:
        """None if the run does not ask that."""
        questions, variants = self.plan.questions, len(self.plan.variants)
        if question_id not in questions or not 0 <= variant < variants:
            return None
        return questions.index(question_id) * variants + variant

    def missing(self) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """Questions with the variants whose results, and those whose verdicts, are missing."""
        if self.status != "running":
            return
        count = len(self.plan.variants)
        done, told = set(self.results), set(self.verdicts)
        for n, question_id in enumerate(self.plan.questions):
            results = tuple(v for v in range(count) if n * count + v not in done)
            compared = range(1, count) if self.plan.judged else ()
            verdicts = tuple(v for v in compared if n * count + v not in told)
            if results or verdicts:
                yield question_id, results, verdicts


RunState = NoRun | Run


def decide(run: RunState, command: RunCommand, _meta: Metadata) -> Sequence[RunEvent]:
    """What `command` does to `run`. Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    if isinstance(command, StartRun):
        if isinstance(run, Run):
            raise Conflict("A run with this id exists already")
        for n, tried in enumerate(command.plan.variants):
            check_changes(tried.changes, f"variants.{n}")
        check_indexes(command.plan)
        return [RunStarted(run_id=command.run_id, plan=command.plan)]
    if isinstance(run, NoRun):
        raise NotFound("Run not found")
    if run.status != "running":
        return []
    match command:
        case RecordResult(question_id=question_id, variant=variant):
            place = run.place(question_id, variant)
            if place is None or place in run.results:
                return []
            result = ResultRecorded(**_fields(command), bot_profile_id=run.plan.bot_profile_id)
            return _with_end(run, result)
        case RecordVerdict(question_id=question_id, variant=variant):
            place = run.place(question_id, variant)
            if place is None or place in run.verdicts:
                return []
            verdict = VerdictRecorded(**_fields(command), bot_profile_id=run.plan.bot_profile_id)
            return _with_end(run, verdict)
        case ContinueRun(run_id=run_id, stretch=stretch):
            if stretch != run.stretch + 1:
                return []
            return [RunContinued(run_id=run_id, stretch=stretch)]
        case CancelRun(run_id=run_id, reason=reason):
            return [RunCancelled(run_id=run_id, reason=reason)]


def _fields(message: Message) -> dict[str, object]:
    """As they are: nothing is written and read again."""
    return {name: getattr(message, name) for name in type(message).model_fields}


def _with_end(run: Run, event: ResultRecorded | VerdictRecorded) -> Sequence[RunEvent]:
    after = evolve(run, event)
    assert isinstance(after, Run)  # noqa: S101  no event takes a run away
    if next(after.missing(), None) is not None:
        return [event]
    return [event, RunEnded(run_id=event.run_id)]


def evolve(run: RunState, event: RunEvent) -> RunState:
    """What `event` makes of `run`. Never raises."""
    if isinstance(event, RunStarted):
        return Run(plan=event.plan)
    if isinstance(run, NoRun):
        return run
    match event:
        case ResultRecorded(question_id=question_id, variant=variant):
            place = run.place(question_id, variant)
            return run.model_copy(update={"results": _added(run.results, place)})
        case VerdictRecorded(question_id=question_id, variant=variant):
            place = run.place(question_id, variant)
            return run.model_copy(update={"verdicts": _added(run.verdicts, place)})
        case RunContinued(stretch=stretch):
            return run.model_copy(update={"stretch": stretch})
        case RunCancelled():
            return run.model_copy(update={"status": "cancelled"})
        case RunEnded():
            return run.model_copy(update={"status": "ended"})


def _added(places: tuple[int, ...], place: int | None) -> tuple[int, ...]:
    return places if place is None else (*places, place)


run_decider: Decider[RunState, RunCommand, RunEvent] = Decider(
    aggregate="test_run",
    initial=NoRun(),
    state=TypeAdapter(Annotated[RunState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
