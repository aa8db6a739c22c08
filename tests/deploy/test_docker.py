"""The same first steps, on the images and containers themselves. Needs a Docker engine."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shared.cli.init import init
from shared.embedded.ports import keep_ports
from tests.deploy.compose import ROOT
from tests.deploy.image import VERSION
from tests.deploy.smoke import smoke

COPIED = ("Dockerfile", ".dockerignore", "docker-compose.yml", "pyproject.toml")
COPIED_TOO = ("requirements.lock", "README.md", "services", "shared", "deploy")
MINUTES = 60


@cache
def engine() -> bool:
    """Whether a Docker engine answers."""
    if shutil.which("docker") is None:
        return False
    done = subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False)
    return done.returncode == 0


pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(40 * MINUTES),
    pytest.mark.skipif(
        not engine(), reason="no Docker engine answers: the images are not built, nor run"
    ),
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """The product brought up as the installation guide says, and its port."""
    for name in (*COPIED, *COPIED_TOO):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path)
    ports = keep_ports(tmp_path / "ports.json", ["http", "https"])
    (tmp_path / ".env").write_text(
        f"MINIRAG_HTTP_PORT={ports['http']}\nMINIRAG_HTTPS_PORT={ports['https']}\n"
    )
    init(tmp_path, "localhost")
    try:
        _compose(tmp_path, "up", "--build", "--wait", "--wait-timeout", "600")
        yield tmp_path, ports["https"]
    finally:
        _compose(tmp_path, "logs", "--tail", "50", check=False)
        _compose(tmp_path, "down", "--volumes", "--timeout", "20", check=False)


def test_the_images_and_containers_make_a_working_product(project: tuple[Path, int]) -> None:
    folder, port = project
    smoke(f"https://localhost:{port}", verify=False)
    _compose(folder, "restart", "chat", "ingest")
    _compose(folder, "up", "--wait", "--wait-timeout", "300")
    smoke(f"https://localhost:{port}", verify=False)
    for service in ("gateway", "chat"):
        image = f"minirag-{service}:{VERSION}"
        compiler = ["docker", "run", "--rm", "--entrypoint", "sh", image, "-c", "command -v gcc cc"]
        assert subprocess.run(compiler, capture_output=True, check=False).returncode != 0


def _compose(folder: Path, *arguments: str, check: bool = True) -> None:
    done = subprocess.run(
        ["docker", "compose", *arguments],
        cwd=folder,
        env={**os.environ, "COMPOSE_PROJECT_NAME": "minirag-test"},
        check=False,
    )
    assert not check or done.returncode == 0, arguments
