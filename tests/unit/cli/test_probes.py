"""Probes are processes that start again and again: they load what they ask with, and no more."""

import subprocess
import sys

import pytest

LOADED = "import sys, {module}; print(*sys.modules)"


@pytest.mark.parametrize(
    ("module", "left_out"),
    [
        ("shared.cli.healthcheck", {"shared.kernel.registry", "sqlalchemy"}),
        ("shared.cli.liveness", {"shared.contracts.base", "sqlalchemy", "nats", "cryptography"}),
    ],
)
def test_a_probe_loads_nothing_that_it_does_not_need(module: str, left_out: set[str]) -> None:
    code = LOADED.format(module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & left_out
