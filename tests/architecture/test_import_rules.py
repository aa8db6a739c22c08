"""Every import rule is awake: a copy with planted violations breaks each of them."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.extras import ROOT

CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}

PLANTED = [
    ("service-shape", "services/ingest/utils.py", "import json", "- services.ingest.utils\n"),
    (
        "service-shape",
        "services/ingest/projections/sources.py",
        "import services.ingest.adapters",
        "",
    ),
    ("service-shape", "services/chat/ports.py", "import services.chat.reactions", ""),
    ("services-independent", "services/chat/handlers.py", "import services.ingest.ports", ""),
    ("shared-below", "shared/kernel/decider.py", "import shared.adapters.blobs", ""),
    ("shared-below", "shared/contracts/ingest.py", "import shared.kernel.clock", ""),
    ("shared-below", "shared/adapters/vault.py", "import services.chat.ports", ""),
    ("pure-domain", "services/ingest/domain/source.py", "import time", ""),
    ("pure-domain", "shared/contracts/gateway.py", "import sqlalchemy", ""),
    ("tables-private", "services/ingest/handlers.py", "import services.ingest.tables", ""),
    ("wiring-in-main", "services/ingest/reactions/runs.py", "import services.ingest.settings", ""),
    ("world-in-adapters", "services/chat/queries/index.py", "import httpx", ""),
    ("world-in-adapters", "services/ingest/reactions/runs.py", "import asyncpg", ""),
]
"""The rule, where it is broken, by which line, and what the report says if not the arrow."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says about a copy in which every rule is broken."""
    copy = tmp_path_factory.mktemp("planted")
    for package in ("services", "shared"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    for _, file, line, _ in PLANTED:
        with (copy / file).open("a") as target:
            target.write(f"\n{line}\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_rule_is_broken_by_what_it_forbids(contract: str, report: str) -> None:
    assert contract in {rule for rule, *_ in PLANTED}, "plant a violation of the new rule"
    assert f"{CONTRACTS[contract]} BROKEN" in report


@pytest.mark.parametrize(("contract", "file", "line", "said"), PLANTED)
def test_the_report_names_the_import(
    contract: str, file: str, line: str, said: str, report: str
) -> None:
    module = file.removesuffix(".py").replace("/", ".")
    arrow = f"{module} -> {line.removeprefix('import ')}"
    section = report.rsplit(f"\n{CONTRACTS[contract]}\n", maxsplit=1)[-1]
    assert (said or arrow) in section
