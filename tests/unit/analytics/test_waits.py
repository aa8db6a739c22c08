"""Percentiles from buckets: never too low, never more than a tenth too high."""

import math
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from services.analytics.domain.waits import GROWTH, bucket_of, percentiles

waits = st.lists(st.floats(1, 1e7), min_size=1, max_size=200)


@given(wait=st.floats(1, 1e7))
def test_a_bucket_ends_at_or_just_above_its_waits(wait: float) -> None:
    end = GROWTH ** bucket_of(wait)
    assert wait <= end * (1 + 1e-6)
    assert end <= wait * GROWTH * (1 + 1e-6)


@pytest.mark.parametrize("wait", [0.0, 0.2, 1.0])
def test_the_shortest_waits_share_the_first_bucket(wait: float) -> None:
    assert bucket_of(wait) == 0


@given(waits=waits)
def test_percentiles_are_at_most_a_tenth_too_high(waits: list[float]) -> None:
    found = percentiles(Counter(bucket_of(wait) for wait in waits))
    ordered = sorted(waits)
    for share, told in ((0.5, found.p50_ms), (0.9, found.p90_ms), (0.99, found.p99_ms)):
        exact = ordered[max(0, math.ceil(share * len(ordered)) - 1)]
        assert exact * 0.94 <= told <= exact * GROWTH + 0.1
    assert found.count == len(waits)


def test_counts_of_several_days_add_up() -> None:
    found = percentiles({0: 50, 10: 49, 50: 1})
    assert (found.count, found.p50_ms, found.p99_ms) == (100, 1.0, round(GROWTH**10, 1))
