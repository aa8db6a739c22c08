"""The bench of first tokens waits for what it says it waits for."""

import httpx
import pytest

from bench import report
from bench.first_token import Row, first_line, percentile, waits
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
    row = Row(16, 1, 2, 11, 32)
    assert (row.added_p50, row.added_p99) == (10, 30)
    assert "| 16 | 1 | 11 | 10 | 30 |" in report.table([row.shown()])
