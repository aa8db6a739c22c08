"""When things are due: spread over the interval, or as a cron expression says, over every DST."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from shared.contracts.scheduler import Every, Rule
from shared.kernel.slots import PERIODS, BadRule, check_rule, next_slot
from tests.unit.samples import T0

BERLIN = ZoneInfo("Europe/Berlin")
EVERY: list[Every] = ["hourly", "daily", "weekly"]


def slots(rule: Rule, after: datetime, count: int, seed: str = "s1") -> list[datetime]:
    found = []
    for _ in range(count):
        slot = next_slot(rule, seed, after)
        assert slot is not None
        found.append(slot)
        after = slot
    return found


def local(*at: int) -> datetime:
    return datetime(*at, tzinfo=BERLIN)  # type: ignore[arg-type,misc]  # year to minute


class TestIntervals:
    @pytest.mark.parametrize("every", EVERY)
    def test_come_once_per_period(self, every: Every) -> None:
        found = slots(Rule(every=every), T0, 50)
        assert timedelta(0) < found[0] - T0 <= timedelta(seconds=PERIODS[every])
        assert {b - a for a, b in pairwise(found)} == {timedelta(seconds=PERIODS[every])}

    @pytest.mark.parametrize("every", EVERY)
    def test_of_a_thousand_sources_are_spread(self, every: Every) -> None:
        seconds = sorted(
            (next_slot(Rule(every=every), f"source {n}", T0) or T0).timestamp() for n in range(1000)
        )
        period = PERIODS[every]
        in_tenths = [int((second - T0.timestamp()) * 10 / period) for second in seconds]
        assert all(60 <= in_tenths.count(tenth) <= 140 for tenth in range(10))
        crowd = max(sum(a <= other < a + period / 100 for other in seconds) for a in seconds)
        assert crowd <= 30

    @given(at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001  made aware below
    def test_the_slot_lies_behind_whatever_time_it_is_asked_for(self, at: datetime) -> None:
        after = at.replace(tzinfo=UTC)
        slot = next_slot(Rule(every="hourly"), "s1", after)
        assert slot is not None
        assert timedelta(0) < slot - after <= timedelta(hours=1)


class TestCronExpressions:
    def test_are_meant_in_their_zone(self) -> None:
        rule = Rule(cron="30 8 * * MON", time_zone="Europe/Berlin")
        found = slots(rule, datetime(2026, 3, 20, tzinfo=UTC), 2)
        assert found == [local(2026, 3, 23, 8, 30), local(2026, 3, 30, 8, 30)]
        assert [slot.hour for slot in found] == [7, 6]  # summer time began in between

    def test_a_time_that_is_skipped_comes_as_soon_as_it_can(self) -> None:
        rule = Rule(cron="30 2 * * *", time_zone="Europe/Berlin")
        found = slots(rule, local(2026, 3, 28, 12, 0), 2)
        assert found == [local(2026, 3, 29, 3, 0), local(2026, 3, 30, 2, 30)]

    def test_a_time_that_comes_twice_is_taken_once(self) -> None:
        rule = Rule(cron="30 2 * * *", time_zone="Europe/Berlin")
        found = slots(rule, local(2026, 10, 24, 12, 0), 2)
        first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert found == [first, first + timedelta(hours=25)]

    def test_without_a_zone_are_meant_in_utc(self) -> None:
        assert next_slot(Rule(cron="0 0 * * *"), "s1", T0) == datetime(2026, 1, 2, tzinfo=UTC)

    def test_that_name_no_further_time_have_no_slot(self) -> None:
        assert next_slot(Rule(cron="0 0 29 2 MON"), "s1", T0) is not None
        with pytest.raises(BadRule):
            next_slot(Rule(cron="0 0 31 2 *"), "s1", T0)


class TestChecking:
    @pytest.mark.parametrize(
        "cron",
        ["0 3 * * *", "*/5 * * * *", "0,30 9-17 * * MON-FRI", "0 0 L * *", "59 23 31 12 *"],
    )
    def test_lets_pass_what_names_times(self, cron: str) -> None:
        check_rule(Rule(cron=cron, time_zone="America/Sao_Paulo"))

    @pytest.mark.parametrize(
        ("cron", "reason"),
        [
            ("", "five fields"),
            ("@daily", "five fields"),
            ("0 0 3 * * *", "five fields"),
            ("61 * * * *", "bad minute"),
            ("0 0 31 2 *", "bad day-of-month"),
            ("* * * * *", "5 minutes apart"),
            ("*/4 * * * *", "5 minutes apart"),
            ("0,58 * * * *", "5 minutes apart"),
            ("0,1 3 1 1 *", "5 minutes apart"),
            ("0 " * 60, "five fields"),
        ],
    )
    def test_says_what_is_wrong(self, cron: str, reason: str) -> None:
        with pytest.raises(BadRule, match=reason) as caught:
            check_rule(Rule(cron=cron))
        assert caught.value.field == "cron"

    @pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc", "Europe", "x" * 200])
    def test_refuses_what_is_no_zone(self, zone: str) -> None:
        with pytest.raises(BadRule, match="time zone") as caught:
            check_rule(Rule(cron="0 3 * * *", time_zone=zone))
        assert caught.value.field == "time_zone"
