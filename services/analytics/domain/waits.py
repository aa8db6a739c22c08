"""Waits as histograms whose buckets grow by a tenth: percentiles of any number of them, in little.

Counts of buckets add up over days, bots and models, which percentiles do not.
"""

import math
from collections.abc import Mapping

from shared.contracts.analytics import Percentiles

GROWTH = 1.1


def bucket_of(milliseconds: float) -> int:
    """The number of the bucket whose upper end is the first at or above the wait."""
    return max(0, math.ceil(math.log(max(milliseconds, 1.0), GROWTH) - 1e-9))


def percentiles(counts: Mapping[int, int]) -> Percentiles:
    """Of the waits in these buckets; at least one."""
    total = sum(counts.values())
    return Percentiles(
        count=total,
        p50_ms=_at(counts, 0.50 * total),
        p90_ms=_at(counts, 0.90 * total),
        p99_ms=_at(counts, 0.99 * total),
    )


def _at(counts: Mapping[int, int], rank: float) -> float:
    seen = 0
    bucket = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            break
    return round(GROWTH**bucket, 1)
