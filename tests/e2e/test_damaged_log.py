"""One byte of the log's files changes: it is told, nothing more is written, and all can be read."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Installation, Tenant, eventually

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_flipped_byte_stops_writing_and_is_told_to_everybody_who_has_to_know(
    data_dir: Path, register: Callable[[str], Tenant]
) -> None:
    running = Installation(data_dir, demo=False).start()
    tenant = register(running.url)
    bot = tenant.bot()
    (block,) = (data_dir / "nats" / "store").rglob("EVENTS/msgs/1.blk")
    known = data_dir / "nats" / "log-guard.json"
    eventually(known.exists)
    with block.open("r+b") as file:
        file.seek(500)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))

    flipped = time.monotonic()
    eventually(lambda: tenant.http.get("/readyz").status_code == 503, seconds=120)
    log.info("told %.1f s after a byte was flipped", time.monotonic() - flipped)
    refused = eventually(
        lambda: (
            found
            if (found := tenant.http.post("/v1/bot-profiles", json={"name": "Another"})).status_code
            == 503
            else None
        )
    )
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"].endswith("unavailable")
    assert "event log is damaged" in refused.json()["detail"]
    assert refused.headers["retry-after"]
    names = [one["name"] for one in tenant.http.get("/v1/bot-profiles").json()]
    assert names == ["Bot"]
    assert tenant.http.get(f"/v1/bot-profiles/{bot}").status_code == 200
    assert tenant.http.get("/livez").status_code == 200
    assert tenant.http.get("/v1/system/health").json()["status"] == "degraded"
    assert any("THE LOG IS DAMAGED" in line for line in running.output)
    assert "the event log is damaged" in running.logs()
    assert running.stop() == 0

    with pytest.raises(AssertionError, match=r"the log is damaged: the file 1\.blk does not hold"):
        Installation(data_dir, demo=False).start()
