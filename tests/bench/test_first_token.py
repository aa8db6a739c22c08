"""The bench of first tokens waits for what it says it waits for."""

import time

import httpx
import pytest

from bench import report
from bench.first_token import Row, first_line, percentile, waits, waits_at_random
from tests.e2e.paced_model import paced_model


async def test_the_wait_ends_with_the_first_line_that_is_wanted() -> None:
    body = {"messages": [{"role": "user", "content": "When?"}]}
    with paced_model(words=3, seconds=0) as model:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:

            async def first() -> float:
                return await first_line(http, f"{model.url}/chat/completions", body, "data: {")

            found = await waits(first, at_once=4, rounds=2)
            with pytest.raises(RuntimeError, match="no 'event"):
                await first_line(http, f"{model.url}/chat/completions", body, "event: x")
    assert found == sorted(found)
    assert len(found) == 8
    assert found[0] > 0
    assert model.asked["When?"] == 9


def test_a_table_tells_what_was_added() -> None:
    assert (percentile([1, 2, 3], 0.5), percentile([1, 2, 3], 0.99)) == (2, 3)
    row = Row.of("16", [1.0, 2.0], [11.0, 32.0])
    assert (row.added_p50, row.added_p95, row.added_p99) == (30, 30, 30)
    assert "| 16 | 2 | 32 | 30 | 30 | 30 |" in report.table([row.shown()])


async def test_what_begins_at_random_times_waits_from_when_it_was_due() -> None:
    begun = []

    async def first() -> float:
        begun.append(time.perf_counter())
        return 5.0

    found = await waits_at_random(first, per_second=50, seconds=0.2)
    assert found == sorted(found)
    assert found[0] >= 5.0
    assert len(found) == len(begun) >= 1
    assert begun == sorted(begun)
