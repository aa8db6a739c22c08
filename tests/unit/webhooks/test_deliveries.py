"""What may happen to a delivery: ten attempts on a schedule, then it is given up."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from services.webhooks.domain.deliveries import (
    WAITS,
    Delivery,
    DeliveryState,
    delivery_decider,
)
from shared.contracts.base import Metadata
from shared.contracts.webhooks import (
    Attempted,
    DeliveryAttemptFailed,
    DeliveryCommand,
    DeliveryEvent,
    DeliveryScheduled,
    DeliverySucceeded,
    RecordAttempt,
    RedeliveryRequested,
    RequestRedelivery,
    ScheduleDelivery,
)
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.testing import Scenario
from tests.unit.histories import play
from tests.unit.samples import T0

DeliveryScenario = Scenario[DeliveryState, DeliveryCommand, DeliveryEvent]

SCHEDULE = ScheduleDelivery(
    delivery_id="d1",
    webhook_id="w1",
    message_id="e1",
    event_type="chat.message",
    occurred_at=T0,
    position=7,
    body="{}",
)
SCHEDULED = DeliveryScheduled.model_validate(SCHEDULE.model_dump())
PING = DeliveryScheduled.model_validate({**SCHEDULE.model_dump(), "test": True})
AGAIN = RedeliveryRequested(delivery_id="d1", webhook_id="w1")
ORDER = RequestRedelivery(delivery_id="d1", webhook_id="w1")


def attempted(n: int, status: int | None) -> Attempted:
    return Attempted(attempt=n, url="https://x", status_code=status, duration_ms=1)


def record(n: int, status: int | None, **fields: Any) -> RecordAttempt:
    return RecordAttempt(
        **{"delivery_id": "d1", "webhook_id": "w1", "attempted": attempted(n, status), **fields}
    )


def failed(
    n: int, status: int | None = 500, wait: timedelta | None = WAITS[0], **more: Any
) -> DeliveryAttemptFailed:
    return DeliveryAttemptFailed(
        delivery_id="d1",
        webhook_id="w1",
        attempted=attempted(n, status),
        due_at=None if wait is None else T0 + wait,
        **more,
    )


def succeeded(n: int) -> DeliverySucceeded:
    return DeliverySucceeded(delivery_id="d1", webhook_id="w1", attempted=attempted(n, 200))


@pytest.fixture
def delivery(metadata: Metadata) -> DeliveryScenario:
    return Scenario(delivery_decider, metadata)


def test_the_schedule_is_that_of_the_specification() -> None:
    hours = [wait / timedelta(hours=1) for wait in WAITS]
    assert [round(hour, 3) for hour in hours] == [0.001, 0.083, 0.5, 2, 5, 10, 14, 20, 24]


def test_it_is_scheduled_once(delivery: DeliveryScenario) -> None:
    delivery.given().when(SCHEDULE).then(SCHEDULED)
    delivery.given(SCHEDULED, succeeded(1)).when(SCHEDULE).then_nothing()


@pytest.mark.parametrize("status", [200, 204, 299])
def test_only_two_hundreds_are_successes(delivery: DeliveryScenario, status: int) -> None:
    expected = succeeded(1).model_copy(update={"attempted": attempted(1, status)})
    delivery.given(SCHEDULED).when(record(1, status)).then(expected)


@pytest.mark.parametrize("status", [None, 301, 307, 404, 429, 500, 503])
def test_a_failure_of_the_endpoint_is_tried_again_and_holds_up_the_others(
    delivery: DeliveryScenario, status: int | None
) -> None:
    delivery.given(SCHEDULED).when(record(1, status)).then(failed(1, status))


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_one_that_the_receiver_refuses_is_tried_again_and_holds_up_nobody(
    delivery: DeliveryScenario, status: int
) -> None:
    delivery.given(SCHEDULED).when(record(1, status)).then(failed(1, status, parked=True))


def test_a_receiver_that_is_gone_is_not_tried_again(delivery: DeliveryScenario) -> None:
    delivery.given(SCHEDULED).when(record(1, 410)).then(failed(1, 410, None))


@pytest.mark.parametrize("n", range(1, 10))
def test_every_step_of_the_schedule_is_waited_for(delivery: DeliveryScenario, n: int) -> None:
    before = [failed(k) for k in range(1, n)]
    delivery.given(SCHEDULED, *before).when(record(n, 500)).then(failed(n, wait=WAITS[n - 1]))


def test_after_ten_attempts_it_is_given_up(delivery: DeliveryScenario) -> None:
    before = [failed(k) for k in range(1, 10)]
    delivery.given(SCHEDULED, *before).when(record(10, 500)).then(failed(10, wait=None))


@pytest.mark.parametrize(("jitter", "seconds"), [(-1, 4.5), (0, 5), (1, 5.5)])
def test_waits_are_spread_by_a_tenth(
    delivery: DeliveryScenario, jitter: float, seconds: float
) -> None:
    expected = failed(1, wait=timedelta(seconds=seconds))
    delivery.given(SCHEDULED).when(record(1, 500, jitter=jitter)).then(expected)


def test_an_operator_may_set_another_pace(delivery: DeliveryScenario) -> None:
    expected = failed(1, wait=timedelta(seconds=0.5))
    delivery.given(SCHEDULED).when(record(1, 500, pace=0.1)).then(expected)


@pytest.mark.parametrize(
    ("wish", "wait"),
    [(1, WAITS[0]), (60, timedelta(minutes=1)), (1e9, timedelta(hours=24))],
)
def test_a_receiver_may_ask_for_more_time_up_to_a_day(
    delivery: DeliveryScenario, wish: float, wait: timedelta
) -> None:
    command = record(1, 429, retry_after=wish)
    delivery.given(SCHEDULED).when(command).then(failed(1, 429, wait))


class TestOrderingItAgain:
    @pytest.mark.parametrize("end", [succeeded(1), failed(1, wait=None)])
    def test_starts_the_schedule_anew(self, delivery: DeliveryScenario, end: DeliveryEvent) -> None:
        delivery.given(SCHEDULED, end).when(ORDER).then(AGAIN)
        delivery.given(SCHEDULED, end, AGAIN).when(record(2, 500)).then(failed(2))
        delivery.given(SCHEDULED, end, AGAIN).then_state(
            Delivery(webhook_id="w1", test=False, attempts=1, before=1)
        )

    def test_while_it_is_on_its_way_is_no_news(self, delivery: DeliveryScenario) -> None:
        delivery.given(SCHEDULED, failed(1)).when(ORDER).then_nothing()

    def test_of_another_endpoint_is_not_possible(self, delivery: DeliveryScenario) -> None:
        other = ORDER.model_copy(update={"webhook_id": "w2"})
        delivery.given(SCHEDULED, succeeded(1)).when(other).then_refused(NotFound)
        delivery.given().when(ORDER).then_refused(NotFound)

    def test_a_ping_is_sent_once(self, delivery: DeliveryScenario) -> None:
        delivery.given(PING).when(record(1, 500)).then(failed(1, wait=None))
        delivery.given(PING, failed(1, wait=None)).when(ORDER).then_refused(Conflict)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_an_attempt_is_recorded_once(delivery: DeliveryScenario, n: int) -> None:
    delivery.given(SCHEDULED, failed(1)).when(record(n, 200)).then_nothing()


def test_nothing_is_recorded_of_one_that_is_settled(delivery: DeliveryScenario) -> None:
    delivery.given(SCHEDULED, succeeded(1)).when(record(2, 500)).then_nothing()
    delivery.given().when(record(1, 200)).then_nothing()


statuses = st.none() | st.integers(100, 599)
orders = st.lists(
    st.builds(record, st.integers(1, 30), statuses) | st.just(ORDER) | st.just(SCHEDULE),
    max_size=60,
)


@given(orders=orders)
def test_whatever_comes_attempts_count_up_and_a_settled_one_stays_settled(
    orders: list[DeliveryCommand],
) -> None:
    _, happened = play(delivery_decider, [SCHEDULE, *orders])
    made = [
        event.attempted.attempt
        for event in happened
        if isinstance(event, DeliverySucceeded | DeliveryAttemptFailed)
    ]
    assert made == list(range(1, len(made) + 1))
    for before, after in pairwise(happened):
        settled = isinstance(before, DeliverySucceeded) or (
            isinstance(before, DeliveryAttemptFailed) and before.due_at is None
        )
        assert not settled or isinstance(after, RedeliveryRequested)


@given(codes=st.lists(statuses.filter(lambda code: not 200 <= (code or 0) < 300), min_size=12))
def test_it_is_tried_ten_times_at_most(codes: list[int | None]) -> None:
    commands: list[DeliveryCommand] = [record(n, code) for n, code in enumerate(codes, 1)]
    state, happened = play(delivery_decider, [SCHEDULE, *commands])
    assert isinstance(state, Delivery)
    assert state.status == "failed"
    assert len(happened) <= 11
