"""The Postman collection, run by newman as its users run it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from docs.api import application
from tests.architecture.extras import ROOT
from tests.harness import Installation

COLLECTION = ROOT / "postman" / "MiniRAG.postman_collection.json"
NEWMAN = ROOT / ".venv" / "newman" / "node_modules" / ".bin" / "newman"
VARIABLE = re.compile(r"\{\{?\w+\}?\}")


def requests(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        if "item" in item:
            yield from requests(item["item"])
        else:
            yield item


REQUESTS = list(requests(json.loads(COLLECTION.read_text())["item"]))


def named(method: str, path: str) -> str:
    return f"{method.upper()} {VARIABLE.sub('{}', path)}"


def test_every_route_of_the_interface_is_in_it() -> None:
    described = {
        named(method, path)
        for path, operations in application().openapi()["paths"].items()
        for method in operations
    }
    asked = {
        named(one["request"]["method"], "/" + "/".join(one["request"]["url"]["path"]))
        for one in REQUESTS
    }
    assert described - asked == set()


def test_every_request_of_it_checks_its_answer() -> None:
    for one in REQUESTS:
        script = "\n".join(one["event"][-1]["script"]["exec"])
        assert "pm.response.to.have.status(" in script, one["name"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js to run newman")
def test_newman_runs_it_green(installation: Installation) -> None:
    assert NEWMAN.exists(), "make install puts newman there"
    variable = f"base_url={installation.url}"
    done = subprocess.run(
        [NEWMAN, "run", COLLECTION, "--env-var", variable, "--color", "off"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=350,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
