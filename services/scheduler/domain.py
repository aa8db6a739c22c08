"""What may happen to a schedule. Pure: no clock, no ids, no I/O."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.scheduler import (
    CancelSchedule,
    FireSchedule,
    Rule,
    ScheduleCancelled,
    ScheduleCommand,
    ScheduleEvent,
    ScheduleFired,
    ScheduleSet,
    SetSchedule,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import InvalidCommand
from shared.kernel.slots import BadRule, next_slot


class Idle(Message):
    """Nothing is due: it was never set, was cancelled, or its last time has passed."""

    kind: Literal["idle"] = "idle"
    as_of: int = 0


class Waiting(Message):
    """Due at `next_at`."""

    kind: Literal["waiting"] = "waiting"
    rule: Rule
    next_at: datetime
    as_of: int


Schedule = Annotated[Idle | Waiting, Field(discriminator="kind")]


def decide(
    schedule: Idle | Waiting, command: ScheduleCommand, meta: Metadata
) -> Sequence[ScheduleEvent]:
    """What `command` does to `schedule`. Raises `InvalidCommand` for a rule without times."""
    match command:
        case SetSchedule():
            return _set(schedule, command, meta)
        case CancelSchedule(schedule_id=schedule_id, as_of=as_of):
            if isinstance(schedule, Idle) or as_of <= schedule.as_of:
                return []
            return [ScheduleCancelled(schedule_id=schedule_id, as_of=as_of)]
        case FireSchedule(schedule_id=schedule_id, slot=slot):
            if isinstance(schedule, Idle) or slot != schedule.next_at:
                return []  # fired already, or set anew meanwhile
            # Slots that passed while nobody looked come to one.
            after = max(slot, meta.now)
            next_at = next_slot(schedule.rule, schedule_id, after)
            return [
                ScheduleFired(
                    schedule_id=schedule_id, rule=schedule.rule, slot=slot, next_at=next_at
                )
            ]


def _set(schedule: Idle | Waiting, command: SetSchedule, meta: Metadata) -> Sequence[ScheduleEvent]:
    if command.as_of <= schedule.as_of:
        return []
    if isinstance(schedule, Waiting) and schedule.rule == command.rule:
        # A newer fact says the same: what is due stays due, and older facts stay out.
        next_at: datetime | None = schedule.next_at
    else:
        try:
            next_at = next_slot(command.rule, command.schedule_id, meta.now)
        except BadRule as error:
            raise InvalidCommand(str(error), field=error.field) from error
    if next_at is None:
        raise InvalidCommand("the cron expression names no time that ever comes", field="cron")
    return [
        ScheduleSet(
            schedule_id=command.schedule_id,
            rule=command.rule,
            as_of=command.as_of,
            next_at=next_at,
        )
    ]


def evolve(schedule: Idle | Waiting, event: ScheduleEvent) -> Idle | Waiting:
    """What `event` makes of `schedule`. Never raises."""
    match event:
        case ScheduleSet(rule=rule, next_at=next_at, as_of=as_of):
            return Waiting(rule=rule, next_at=next_at, as_of=as_of)
        case ScheduleCancelled(as_of=as_of):
            return Idle(as_of=as_of)
        case ScheduleFired(rule=rule, next_at=next_at):
            if next_at is None:
                return Idle(as_of=schedule.as_of)
            return Waiting(rule=rule, next_at=next_at, as_of=schedule.as_of)


schedule_decider: Decider[Idle | Waiting, ScheduleCommand, ScheduleEvent] = Decider(
    aggregate="schedule",
    initial=Idle(),
    state=TypeAdapter(Schedule),
    decide=decide,
    evolve=evolve,
)
