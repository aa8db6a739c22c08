"""The times that a rule names. Pure: the time comes in.

Intervals begin at an offset that follows from the id, to the second, so that a thousand schedules
with the same interval are due at a thousand different times. Cron expressions mean what they say;
over changes of the clock they behave as Debian's cron does (see cronsim): a time that is skipped
comes as soon as it can, and one that comes twice is taken once.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from shared.contracts.scheduler import Every, Rule

PERIODS: dict[Every, int] = {"hourly": 3600, "daily": 86_400, "weekly": 604_800}
"""Seconds."""
MIN_SECONDS = 300
"""Between two slots of a cron expression."""
FIELDS = 5
LOOKED_AT = 300
"""Slots of an expression whose distances are looked at: more than a day of the densest allowed."""
LONGEST = 100
"""Characters of an expression."""
ZONES = {name: ZoneInfo(name) for name in available_timezones()}
"""All read at once, as reading a file later would block an event loop."""
SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
"""Of a leap year, so that 29 February comes soon."""


class BadRule(Exception):
    """The rule names no usable times. `field` of the rule is at fault; the message says why."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


def next_slot(rule: Rule, seed: str, after: datetime) -> datetime | None:
    """The first slot behind `after`, in UTC; None if there is none. `seed` spreads intervals.

    Raises `BadRule` as `check_rule` does.
    """
    if rule.every is not None:
        period = PERIODS[rule.every]
        offset = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % period
        number = (int(after.timestamp()) - offset) // period + 1
        return datetime.fromtimestamp(number * period + offset, UTC)
    return next(_times(rule, after), None)


def check_rule(rule: Rule) -> None:
    """Raise `BadRule` unless the rule names times, and names them no closer than `MIN_SECONDS`."""
    if rule.every is not None:
        return
    times = list(islice(_times(rule, SOME_DAY), LOOKED_AT))
    if not times:
        raise BadRule("cron", "the cron expression names no time that ever comes")
    if any((after - before).total_seconds() < MIN_SECONDS for before, after in pairwise(times)):
        raise BadRule(
            "cron", f"the cron expression names times less than {MIN_SECONDS // 60} minutes apart"
        )


def _times(rule: Rule, after: datetime) -> Iterator[datetime]:
    start = after.astimezone(_zone(rule.time_zone))
    expression = rule.cron or ""
    if len(expression) > LONGEST or len(expression.split()) != FIELDS:
        raise BadRule("cron", "a cron expression has five fields: minute hour day month weekday")
    try:
        times = CronSim(expression, start)
    except CronSimError as error:
        raise BadRule("cron", f"not a cron expression: {str(error).lower()}") from error
    before = after
    for time in times:
        slot = time.astimezone(UTC)
        if slot > before:
            yield slot
            before = slot


def _zone(name: str) -> ZoneInfo:
    zone = ZONES.get(name)
    if zone is None:
        raise BadRule("time_zone", "not the name of a time zone, such as Europe/Berlin")
    return zone
