"""Processes are ended at every fault point there is, and the broker and the database besides; then
they have one of each other fault: mistakes, silence, broken connections, full disks, bad company.

One installation takes it all, while a hundred documents of all formats come in.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

import pytest

from shared.kernel.faults import FaultPoint
from tests.chaos import invariants, promises
from tests.chaos.aftermath import Left, after_a_storm
from tests.chaos.disks import small_disk, unmountable
from tests.chaos.storm import LANES, Undriven
from tests.harness import reachable

ROUNDS = 5
"""Times twenty documents."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.flaky(reruns=2, only_rerun=Undriven),
]

KEPT = (
    promises.what_models_count_is_what_is_billed,
    promises.deliveries_are_what_they_were,
)


@pytest.fixture(scope="module")
def no_disk(tmp_path_factory: pytest.TempPathFactory) -> str | None:
    """Why no disk can be filled here."""
    return unmountable(tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, no_disk: str | None) -> Iterator[Left]:
    data_dir = reachable(tmp_path_factory, "storm")
    with ExitStack() as stack:
        disk = None if no_disk else stack.enter_context(small_disk(data_dir))
        yield stack.enter_context(after_a_storm(data_dir, ROUNDS, LANES, disk))


def test_every_point_has_its_strike() -> None:
    points = [strike.point for lane in LANES for strike in lane]
    assert sorted(points) == sorted(FaultPoint)


def test_a_process_ends_at_every_point_there_is(left: Left) -> None:
    assert left[2] == set(FaultPoint)


def test_the_broker_s_disk_was_full(left: Left, no_disk: str | None) -> None:
    if no_disk:
        pytest.skip(no_disk)
    assert left[0].statuses[HTTPStatus.SERVICE_UNAVAILABLE]


def test_the_database_s_disk_was_full(left: Left) -> None:
    if left[3]:
        pytest.skip(left[3][0])


@pytest.mark.parametrize("hold", [*invariants.HOLD, *KEPT], ids=lambda hold: hold.__name__)
def test_after_the_storm(left: Left, hold: invariants.Invariant) -> None:
    hold(left[0])


def test_the_index_holds_each_chunk_once(left: Left) -> None:
    found, points, *_ = left
    invariants.the_index_holds_each_chunk_once(found, points)
    assert sum(points.values()) > ROUNDS * 100
