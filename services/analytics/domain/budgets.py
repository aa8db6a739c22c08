"""What may happen to a budget: it tells once a period when a part of it is used up."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from shared.contracts.analytics import (
    BudgetCommand,
    BudgetCreated,
    BudgetDeleted,
    BudgetEvent,
    BudgetSettings,
    BudgetUpdated,
    CreateBudget,
    DeleteBudget,
    NoteUsage,
    Period,
    ThresholdReached,
    UpdateBudget,
)
from shared.contracts.base import Message, Metadata
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, InvalidCommand, NotFound

MOST_THRESHOLDS = 10
HIGHEST_THRESHOLD = 1000


class NoBudget(Message):
    kind: Literal["absent"] = "absent"


class Budget(Message):
    kind: Literal["present"] = "present"
    settings: BudgetSettings
    period_start: date | None = None
    reached: tuple[int, ...] = ()
    """Thresholds that were told of in that period."""
    deleted: bool = False


BudgetState = NoBudget | Budget


def period_start(period: Period, day: date) -> date:
    """The first day of the period that `day` is in."""
    return day if period == "day" else day.replace(day=1)


def decide(budget: BudgetState, command: BudgetCommand, _meta: Metadata) -> Sequence[BudgetEvent]:
    """What `command` does to `budget`. Raises `NotFound`, `Conflict` or `InvalidCommand`."""
    match command:
        case CreateBudget(budget_id=budget_id, settings=settings):
            if isinstance(budget, Budget):
                raise Conflict("A budget with this id exists already")
            return [BudgetCreated(budget_id=budget_id, settings=_checked(settings))]
        case UpdateBudget():
            return _update(_existing(budget), command)
        case DeleteBudget(budget_id=budget_id):
            _existing(budget)
            return [BudgetDeleted(budget_id=budget_id)]
        case NoteUsage():
            return _note(budget, command)


def _existing(budget: BudgetState) -> Budget:
    if isinstance(budget, NoBudget) or budget.deleted:
        raise NotFound("Budget not found")
    return budget


def _checked(settings: BudgetSettings) -> BudgetSettings:
    """With thresholds in order. Raises `InvalidCommand`."""
    thresholds = tuple(sorted(set(settings.thresholds)))
    if not 0 < len(thresholds) <= MOST_THRESHOLDS:
        raise InvalidCommand(f"1 to {MOST_THRESHOLDS} thresholds are allowed", field="thresholds")
    if thresholds[0] < 1 or thresholds[-1] > HIGHEST_THRESHOLD:
        raise InvalidCommand(
            f"a threshold is from 1 to {HIGHEST_THRESHOLD} percent", field="thresholds"
        )
    return settings.model_copy(update={"thresholds": thresholds})


def _update(budget: Budget, command: UpdateBudget) -> Sequence[BudgetEvent]:
    try:
        changed = BudgetSettings.model_validate(
            budget.settings.model_dump() | dict(command.changes)
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise InvalidCommand(f"{field}: {first['msg']}", field=field) from error
    settings = _checked(changed)
    if settings == budget.settings:
        return []
    return [BudgetUpdated(budget_id=command.budget_id, settings=settings)]


def _note(budget: BudgetState, command: NoteUsage) -> Sequence[BudgetEvent]:
    """Nothing about a budget that is gone, or a period that is over."""
    if isinstance(budget, NoBudget) or budget.deleted:
        return []
    known = budget.period_start
    if known is not None and command.period_start < known:
        return []
    reached = budget.reached if command.period_start == known else ()
    settings = budget.settings
    return [
        ThresholdReached(
            budget_id=command.budget_id,
            bot_profile_id=settings.bot_profile_id,
            period=settings.period,
            period_start=command.period_start,
            threshold=threshold,
            used=command.used,
            limit=settings.limit,
            unit=settings.unit,
        )
        for threshold in settings.thresholds
        if threshold not in reached and command.used * 100 >= settings.limit * threshold
    ]


def evolve(budget: BudgetState, event: BudgetEvent) -> BudgetState:
    match event:
        case BudgetCreated(settings=settings):
            return Budget(settings=settings)
        case _ if isinstance(budget, NoBudget):
            return budget
        case BudgetUpdated(settings=settings):
            # Another limit is another question: its thresholds are told anew.
            named = {"name": settings.name, "hard_stop": settings.hard_stop}
            same = budget.settings.model_copy(update=named) == settings
            anew: dict[str, object] = {} if same else {"period_start": None, "reached": ()}
            return budget.model_copy(update={"settings": settings, **anew})
        case BudgetDeleted():
            return budget.model_copy(update={"deleted": True})
        case ThresholdReached(period_start=start, threshold=threshold):
            before = budget.reached if start == budget.period_start else ()
            return budget.model_copy(
                update={"period_start": start, "reached": (*before, threshold)}
            )


budget_decider: Decider[BudgetState, BudgetCommand, BudgetEvent] = Decider(
    aggregate="budget",
    initial=NoBudget(),
    state=TypeAdapter(Annotated[BudgetState, Field(discriminator="kind")]),
    decide=decide,
    evolve=evolve,
)
