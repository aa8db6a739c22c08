"""Requests made from the OpenAPI document, fitting and unfitting, alone and one after another."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.harness import Tenant

SETTINGS = Path(__file__).with_name("fuzzing.toml")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ensure_resource_availability",
)
EXAMPLES = 5
"""For each of the routes, so that it takes about half a minute."""
PROBE = "/readyz"
"""Its 503 is its answer, and shows in any moment in which a part answers slowly."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_that_is_sent_gets_an_answer_that_is_not_described(
    tenant: Tenant, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            Path(sysconfig.get_path("scripts")) / "st",
            *("--config-file", SETTINGS),
            *("run", f"{tenant.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {tenant.token}"),
            *("--checks", ",".join(CHECKS)),
            *("--phases", "fuzzing,stateful"),
            *("--max-examples", str(EXAMPLES)),
            *("--exclude-path", PROBE),
            *("--seed", "1", "--no-shrink", "--continue-on-failure"),
            *("--warnings", "off", "--workers", "2"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Stateful" in done.stdout
