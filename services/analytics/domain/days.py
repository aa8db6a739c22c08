"""Which day something happened on, in any time zone, from counts of quarters of an hour.

Every time zone differs from UTC by a multiple of a quarter of an hour, so that a day of any of them
is whole quarters, whatever its clocks do that day.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

SLOT_SECONDS = 900
SLOTS_A_DAY = 86_400 // SLOT_SECONDS
EPOCH_DAY = 719_163
"""Ordinal of 1970-01-01."""


def slot_of(at: datetime) -> int:
    """Quarters of an hour since 1970-01-01, in UTC."""
    return int(at.timestamp()) // SLOT_SECONDS


def day_of(slot: int) -> int:
    """Days since 1970-01-01, in UTC."""
    return slot // SLOTS_A_DAY


def number_of(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH_DAY


def local_date(slot: int, zone: str) -> date:
    return datetime.fromtimestamp(slot * SLOT_SECONDS, ZoneInfo(zone)).date()


def day_starts(first: date, last: date, zone: str) -> list[int]:
    """The slot in which each day begins in `zone`, both ends included.

    Where clocks jump over midnight a day begins with the jump; where midnight comes twice, with the
    first. A day that a zone never had begins with the next.
    """
    clock = ZoneInfo(zone)
    days = (last - first).days + 1
    begins = datetime(first.year, first.month, first.day, tzinfo=clock)
    # The calendar's days, not 24 hours each: a sum keeps the time that a clock there shows.
    return [slot_of((begins + timedelta(days=n)).astimezone(UTC)) for n in range(days)]
