"""Processes are ended at every fault point there is, and the broker and the database besides.

One installation takes it all, while a hundred documents of all formats come in.
"""

from collections.abc import Iterator, Mapping

import pytest

from shared.kernel.faults import FaultPoint
from tests.chaos import invariants
from tests.chaos.evidence import Evidence
from tests.chaos.storm import LANES, Undriven, weathered
from tests.harness import reachable

ROUNDS = 5
"""Times twenty documents."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.flaky(reruns=1, only_rerun=Undriven),
]

Left = tuple[Evidence, Mapping[str, int], set[str]]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    with weathered(reachable(tmp_path_factory, "storm"), ROUNDS, LANES) as found:
        yield found


def test_every_point_has_its_strike() -> None:
    points = [strike.point for lane in LANES for strike in lane]
    assert sorted(points) == sorted(FaultPoint)


def test_a_process_ends_at_every_point_there_is(left: Left) -> None:
    assert left[2] == set(FaultPoint)


@pytest.mark.parametrize("hold", invariants.HOLD, ids=lambda hold: hold.__name__)
def test_after_the_storm(left: Left, hold: invariants.Invariant) -> None:
    hold(left[0])


def test_the_index_holds_each_chunk_once(left: Left) -> None:
    found, points, _ = left
    invariants.the_index_holds_each_chunk_once(found, points)
    assert sum(points.values()) > ROUNDS * 100
