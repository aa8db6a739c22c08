"""Days of time zones, out of quarters of an hour."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from services.analytics.domain.days import day_of, day_starts, local_date, slot_of

HOUR = 4
"""Slots."""


def lengths(first: date, last: date, zone: str) -> list[float]:
    """Hours of each day but the last."""
    starts = day_starts(first, last, zone)
    return [(after - before) / HOUR for before, after in pairwise(starts)]


def test_a_slot_is_a_quarter_of_an_hour_of_a_day() -> None:
    at = datetime(2026, 11, 25, 23, 59, 59, tzinfo=UTC)
    assert slot_of(at + timedelta(seconds=1)) == slot_of(at) + 1
    assert day_of(slot_of(at)) == (at.date() - date(1970, 1, 1)).days
    assert day_of(slot_of(at) + 1) == day_of(slot_of(at)) + 1


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        ("UTC", date(2026, 11, 25)),
        ("Europe/Berlin", date(2026, 11, 26)),
        ("America/New_York", date(2026, 11, 25)),
        ("Asia/Kolkata", date(2026, 11, 26)),
        ("Pacific/Kiritimati", date(2026, 11, 26)),
    ],
)
def test_the_date_depends_on_the_zone(zone: str, local: date) -> None:
    assert local_date(slot_of(datetime(2026, 11, 25, 23, 30, tzinfo=UTC)), zone) == local


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 28), [24, 23, 24]),
        ("Europe/Berlin", date(2026, 10, 24), [24, 25, 24]),
        ("America/New_York", date(2026, 3, 7), [24, 23, 24]),
        ("Australia/Lord_Howe", date(2026, 4, 4), [24, 24.5, 24]),
        # Over midnight itself.
        ("America/Havana", date(2026, 3, 7), [24, 23, 24]),
        ("America/Havana", date(2026, 10, 31), [24, 25, 24]),
        ("Asia/Kathmandu", date(2026, 3, 28), [24, 24, 24]),
        # The day that Samoa never had.
        ("Pacific/Apia", date(2011, 12, 29), [24, 0, 24]),
    ],
)
def test_days_are_as_long_as_the_clocks_make_them(
    zone: str, first: date, hours: list[float]
) -> None:
    assert lengths(first, first + timedelta(days=3), zone) == hours


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"])
def test_days_of_odd_zones_begin_with_a_whole_slot(zone: str) -> None:
    day = date(2026, 7, 1)
    (start,) = day_starts(day, day, zone)
    assert local_date(start, zone) == day
    assert local_date(start - 1, zone) == day - timedelta(days=1)
