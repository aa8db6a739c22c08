"""What was appended together is read together."""

import pytest

from shared.adapters.event_log import Append, EventLog
from tests.bank.messages import RateSet, metadata


@pytest.mark.parametrize("batch", [1, 2, 4, 500])
async def test_no_batch_ends_within_an_append(
    event_log: EventLog, tenant_id: str, batch: int
) -> None:
    sizes = [1, 3, 1, 5, 2, 7, 1]
    value = 0
    for size in sizes:
        events = [RateSet(currency="eur", value=value + n) for n in range(size)]
        value += size
        await event_log.append([Append(event, None) for event in events], metadata(tenant_id))
    ends: list[int] = []
    seen: list[int] = []
    async for records in event_log.history(0, [f"evt.{tenant_id}.>"], batch=batch):
        seen += [one.event.value for one in records if isinstance(one.event, RateSet)]
        ends.append(len(seen))
        assert len({one.metadata.message_id for one in records}) == 1 or len(records) <= batch
    assert seen == list(range(sum(sizes)))
    boundaries = {sum(sizes[: n + 1]) for n in range(len(sizes))}
    assert set(ends) <= boundaries
