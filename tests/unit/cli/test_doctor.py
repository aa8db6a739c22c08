"""What the doctor thinks of what it sees."""

import pytest

from shared.adapters.topology import RESERVED_BYTES
from shared.cli.doctor import room

MUCH = 20 * 10**9


@pytest.mark.parametrize(
    ("limit", "free", "status", "said"),
    [
        (MUCH, MUCH, "ok", "20.0 GB in all"),
        (MUCH, RESERVED_BYTES - 1, "warning", "writing will be refused"),
        (RESERVED_BYTES - 1, RESERVED_BYTES - 1, "error", "services will not start"),
    ],
)
def test_a_broker_needs_the_room_that_its_streams_may_take(
    limit: int, free: int, status: str, said: str
) -> None:
    found = room(limit, free)
    assert found.status == status
    assert said in found.detail
