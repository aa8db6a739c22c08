"""What may happen to a schedule: one run per slot, whoever asks for it how often."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

import pytest

from services.scheduler.domain import Idle, Waiting, decide, schedule_decider
from shared.contracts.base import Metadata
from shared.contracts.scheduler import (
    CancelSchedule,
    Every,
    FireSchedule,
    Rule,
    ScheduleCancelled,
    ScheduleCommand,
    ScheduleEvent,
    ScheduleFired,
    ScheduleSet,
    SetSchedule,
)
from shared.kernel.errors import InvalidCommand
from shared.kernel.slots import next_slot
from shared.kernel.testing import Scenario
from tests.unit.samples import T0, metadata as make_metadata

ScheduleScenario = Scenario[Idle | Waiting, ScheduleCommand, ScheduleEvent]
CRON = Rule(cron="0 13 * * *")
SLOT = T0.replace(hour=13, minute=0)
DAY = timedelta(days=1)


@pytest.fixture
def schedule(metadata: Metadata) -> ScheduleScenario:
    return Scenario(schedule_decider, metadata)


def set_(as_of: int = 1, rule: Rule = CRON) -> SetSchedule:
    return SetSchedule(schedule_id="s1", rule=rule, as_of=as_of)


def was_set(as_of: int = 1, next_at: datetime = SLOT, rule: Rule = CRON) -> ScheduleSet:
    return ScheduleSet(schedule_id="s1", rule=rule, as_of=as_of, next_at=next_at)


def cancelled(as_of: int = 2) -> ScheduleCancelled:
    return ScheduleCancelled(schedule_id="s1", as_of=as_of)


def fire(slot: datetime = SLOT) -> FireSchedule:
    return FireSchedule(schedule_id="s1", slot=slot)


def fired(slot: datetime = SLOT, next_at: datetime | None = SLOT + DAY) -> ScheduleFired:
    return ScheduleFired(schedule_id="s1", rule=CRON, slot=slot, next_at=next_at)


class TestSetting:
    def test_is_due_at_the_next_slot(self, schedule: ScheduleScenario) -> None:
        schedule.given().when(set_()).then(was_set())

    def test_what_follows_from_an_older_fact_comes_too_late(
        self, schedule: ScheduleScenario
    ) -> None:
        schedule.given(was_set(as_of=5)).when(set_(as_of=4)).then_nothing()
        schedule.given(was_set(), cancelled(5)).when(set_(as_of=4)).then_nothing()

    def test_the_same_rule_again_moves_nothing_but_shuts_out_older_facts(
        self, schedule: ScheduleScenario
    ) -> None:
        later = SLOT + 3 * DAY
        schedule.given(was_set(next_at=later)).when(set_(as_of=2)).then(was_set(2, later))

    def test_another_rule_is_due_at_its_own_slot(self, schedule: ScheduleScenario) -> None:
        other = Rule(cron="0 14 * * *")
        schedule.given(was_set()).when(set_(2, other)).then(
            was_set(2, SLOT + timedelta(hours=1), other)
        )

    def test_a_rule_without_times_is_refused(self, schedule: ScheduleScenario) -> None:
        schedule.given().when(set_(rule=Rule(cron="nonsense"))).then_refused(InvalidCommand)


class TestCancelling:
    def test_ends_what_was_set(self, schedule: ScheduleScenario) -> None:
        order = CancelSchedule(schedule_id="s1", as_of=2)
        schedule.given(was_set()).when(order).then(cancelled())
        schedule.given(was_set(), cancelled()).then_state(Idle(as_of=2))

    def test_what_was_never_set_or_is_older_changes_nothing(
        self, schedule: ScheduleScenario
    ) -> None:
        schedule.given().when(CancelSchedule(schedule_id="s1", as_of=2)).then_nothing()
        schedule.given(was_set(3)).when(CancelSchedule(schedule_id="s1", as_of=2)).then_nothing()


class TestFiring:
    def test_tells_the_slot_and_the_next_one(self, schedule: ScheduleScenario) -> None:
        schedule.given(was_set()).when(fire()).then(fired())

    def test_the_same_slot_again_changes_nothing(self, schedule: ScheduleScenario) -> None:
        schedule.given(was_set(), fired()).when(fire()).then_nothing()

    def test_another_slot_than_the_next_changes_nothing(self, schedule: ScheduleScenario) -> None:
        for slot in (SLOT - DAY, SLOT + DAY):
            schedule.given(was_set()).when(fire(slot)).then_nothing()
        schedule.given(was_set(), cancelled()).when(fire()).then_nothing()

    def test_slots_that_passed_unnoticed_come_to_one(self) -> None:
        late = Scenario(schedule_decider, make_metadata(now=SLOT + 10 * DAY + timedelta(hours=1)))
        late.given(was_set()).when(fire()).then(fired(next_at=SLOT + 11 * DAY))

    def test_a_clock_that_is_behind_finds_no_slot_twice(self) -> None:
        early = Scenario(schedule_decider, make_metadata(now=SLOT - timedelta(hours=1)))
        early.given(was_set()).when(fire()).then(fired())


def rule_number(n: int) -> Rule:
    """Mostly a few slots a week, of some a hundred and more."""
    if n % 2:
        every: Every = "hourly" if n % 20 == 1 else "daily" if n % 4 == 1 else "weekly"
        return Rule(every=every)
    zone = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"][n // 2 % 4]
    crons = [f"{n % 60} {n % 24} * * *", "30 2 * * *", f"{n % 60} */6 * * *"]
    cron = "*/5 1-3 * * *" if n % 50 == 0 else crons[n // 8 % 3]
    return Rule(cron=cron, time_zone=zone)


class Week:
    """Schedules, their timers, and schedulers who hear every one that goes off."""

    def __init__(self, start: datetime, count: int) -> None:
        self.start = start
        self.rules = {f"s{n}": rule_number(n) for n in range(count)}
        self.states: dict[str, Idle | Waiting] = {}
        self.fired: dict[str, list[datetime]] = defaultdict(list)
        self._timers: list[tuple[datetime, str]] = []
        self._random = random.Random(1)  # noqa: S311  not for secrets
        for name, rule in self.rules.items():
            self._do(name, SetSchedule(schedule_id=name, rule=rule, as_of=1), start)

    def run(self, until: datetime, away: tuple[datetime, datetime] | None = None) -> None:
        """Nobody hears a timer in the time `away`; those that went off wait for its end."""
        while self._timers and self._timers[0][0] < until:
            slot, name = heappop(self._timers)
            now = slot + timedelta(seconds=self._random.uniform(-0.5, 2))
            if away and away[0] <= slot < away[1]:
                now = away[1]
            order = FireSchedule(schedule_id=name, slot=slot)
            # The log lets one of two who decide at once append; the other one decides again.
            self._do(name, order, now)
            self._do(name, order, now + timedelta(seconds=1))

    def _do(self, name: str, order: ScheduleCommand, now: datetime) -> None:
        state = before = self.states.get(name, schedule_decider.initial)
        for event in decide(state, order, make_metadata(now=now)):
            state = schedule_decider.evolve(state, event)
            if isinstance(event, ScheduleFired):
                self.fired[name].append(event.slot)
        self.states[name] = state
        if state != before and isinstance(state, Waiting):
            heappush(self._timers, (state.next_at, name))

    def expected(self, name: str, until: datetime) -> list[datetime]:
        found, at = [], self.start
        while (slot := next_slot(self.rules[name], name, at)) is not None and slot < until:
            found.append(slot)
            at = slot
        return found


@pytest.mark.slow
class TestAWeekOfAThousandSchedules:
    @pytest.mark.parametrize(
        "start",
        [datetime(2026, 3, 25, tzinfo=UTC), datetime(2026, 10, 21, tzinfo=UTC)],
        ids=["into summer time", "out of summer time"],
    )
    def test_two_schedulers_make_one_run_per_slot(self, start: datetime) -> None:
        week, end = Week(start, 1000), start + timedelta(days=7)
        week.run(end)
        assert {name: week.fired[name] for name in week.rules} == {
            name: week.expected(name, end) for name in week.rules
        }
        assert sum(len(slots) for slots in week.fired.values()) > 15_000

    def test_an_outage_costs_slots_but_makes_no_burst(self) -> None:
        start = datetime(2026, 3, 25, tzinfo=UTC)
        week, end = Week(start, 300), start + timedelta(days=7)
        away = (start + timedelta(days=2), start + timedelta(days=4))
        week.run(end, away)
        for name, slots in week.fired.items():
            expected = week.expected(name, end)
            missed = [slot for slot in expected if away[0] <= slot <= away[1]]
            assert slots == [slot for slot in expected if slot not in missed[1:]]
