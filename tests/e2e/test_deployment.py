"""The commands that containers run, against the servers of a running installation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import Installation

SERVICES = ("gateway", "ingest", "chat", "scheduler", "analytics", "webhooks")


def minirag(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shared.cli.app", *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def nats_url(installation: Installation) -> str:
    secrets = json.loads((installation.data_dir / "secrets.json").read_text())
    ports = json.loads((installation.data_dir / "ports.json").read_text())
    return f"nats://minirag:{secrets['nats_password']}@127.0.0.1:{ports['nats']}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_probe_says_that_a_service_is_well(installation: Installation, service: str) -> None:
    port = installation.url.rsplit(":", 1)[1]
    done = minirag(
        "healthcheck",
        MINIRAG_SERVICE=service,
        MINIRAG_PORT=port,
        NATS_URL=nats_url(installation),
    )
    assert done.returncode == 0, done.stderr


def test_a_probe_says_that_nobody_answers(installation: Installation) -> None:
    away = minirag("healthcheck", MINIRAG_SERVICE="gateway", MINIRAG_PORT="9")
    absent = minirag("healthcheck", MINIRAG_SERVICE="nobody", NATS_URL=nats_url(installation))
    assert (away.returncode, absent.returncode) == (1, 1)


def test_provisioning_can_be_repeated(installation: Installation) -> None:
    secrets = json.loads((installation.data_dir / "secrets.json").read_text())
    ports = json.loads((installation.data_dir / "ports.json").read_text())
    address = f"postgresql://postgres:{secrets['postgres_password']}@127.0.0.1:{ports['postgres']}"
    passwords = {
        f"MINIRAG_DB_PASSWORD_{name.upper()}": secrets["database_passwords"][name]
        for name in SERVICES
    }
    done = minirag("provision", MINIRAG_ADMIN_DATABASE_URL=f"{address}/postgres", **passwords)
    assert done.returncode == 0, done.stderr


def test_init_makes_secrets_once(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert minirag("init", str(file)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    assert before.count("\n") == 10
    assert "stays as it is" in minirag("init", str(file)).stdout
    assert file.read_text() == before
