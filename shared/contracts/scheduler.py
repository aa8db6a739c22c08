"""Messages of the scheduler: what is due when."""

from datetime import datetime
from typing import ClassVar, Literal

from typing_extensions import override

from shared.contracts.base import Command, Event, Keyed, Message, Question

Every = Literal["hourly", "daily", "weekly"]


class Rule(Message):
    """When something is due: at an interval, or by a cron expression. Exactly one is given."""

    every: Every | None = None
    cron: str | None = None
    """Five fields: minute, hour, day of month, month, day of week."""
    time_zone: str = "UTC"
    """The zone, by its IANA name, in which the fields of `cron` are meant."""


class ScheduleMessage(Keyed):
    """The schedule of a source has the id of the source."""

    aggregate: ClassVar[str] = "schedule"
    schedule_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.schedule_id


class SetSchedule(ScheduleMessage, Command):
    verb: ClassVar[str] = "set"
    rule: Rule
    as_of: int
    """Position of the fact that this follows from; what follows from an older one comes too late.
    """


class CancelSchedule(ScheduleMessage, Command):
    verb: ClassVar[str] = "cancel"
    as_of: int


class FireSchedule(ScheduleMessage, Command):
    """A timer went off that was set for `slot`."""

    verb: ClassVar[str] = "fire"
    slot: datetime


class ScheduleSet(ScheduleMessage, Event):
    name: ClassVar[str] = "set"
    rule: Rule
    as_of: int
    next_at: datetime


class ScheduleCancelled(ScheduleMessage, Event):
    name: ClassVar[str] = "cancelled"
    as_of: int


class ScheduleFired(ScheduleMessage, Event):
    """The slot has come. There is one such fact per slot; slots that passed unnoticed since are
    left out.
    """

    name: ClassVar[str] = "fired"
    rule: Rule
    slot: datetime
    next_at: datetime | None = None
    """None: the rule names no other time."""


ScheduleCommand = SetSchedule | CancelSchedule | FireSchedule
ScheduleEvent = ScheduleSet | ScheduleCancelled | ScheduleFired


class ScheduleView(Message):
    id: str
    rule: Rule
    next_at: datetime | None
    last_slot: datetime | None


class GetSchedule(Question[ScheduleView]):
    """When something is due next, and when it was due last."""

    service: ClassVar[str] = "scheduler"
    name: ClassVar[str] = "get_schedule"
    schedule_id: str
