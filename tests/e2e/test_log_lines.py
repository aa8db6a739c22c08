"""A normal run logs nothing that an operator would have to look at."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.harness import Installation, Tenant, eventually

ALLOWED = frozenset({"attempt failed", "message not settled"})
"""Warnings of a machine that is too slow for a deadline: the work is done at another attempt. With
a traceback they are something else."""


def lines(installation: Installation, run: str) -> Iterator[Mapping[str, Any]]:
    """What was logged about requests of this run and all that they caused, in every service."""
    log = (installation.data_dir / "logs" / "services.log").read_text()
    for line in log.splitlines():
        if f'"request_id": "{run}' in line:
            yield json.loads(line)


@pytest.mark.timeout(600)
def test_a_normal_run_logs_no_warning_and_no_error(
    installation: Installation, tenant: Tenant
) -> None:
    run = f"normal-{uuid.uuid4().hex[:12]}"
    tenant.http.headers["X-Request-Id"] = run
    bot = tenant.bot()
    source = tenant.source(bot, "The harbour office opens at seven and closes at noon.")
    tenant.ingest(source)
    tenant.ready(source)
    tenant.ask(bot, "When does the harbour office open?")
    tenant.stream(bot, "Who won the regatta of Lisbon?")
    assert tenant.http.patch(f"/v1/sources/{source}", json={"name": "Office"}).status_code == 200
    assert tenant.http.delete(f"/v1/sources/{source}").status_code in (200, 204)
    eventually(lambda: any(one.get("method") == "DELETE" for one in lines(installation, run)))
    odd = [
        one
        for one in lines(installation, run)
        if one["level"] != "INFO" and (one["message"] not in ALLOWED or one["exc_info"])
    ]
    assert odd == []
