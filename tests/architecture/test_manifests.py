"""Containers and cluster manifests say what the code means, without an engine or a cluster."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from shared.cli.deployment import ProbeSettings, ProvisionSettings
from shared.embedded.surroundings import SERVICES
from shared.runtime.settings import ServiceSettings
from tests.architecture.routes import application, routes

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "k8s" / "base"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OTHERS = {"nats", "postgres", "qdrant"}


def documents(path: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(path.read_text())


def workloads() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and pod specification of everything that runs."""
    for file in sorted(BASE.glob("*.yaml")):
        for found in documents(file):
            if found["kind"] in ("Deployment", "Job"):
                yield found["metadata"]["name"], found["spec"]["template"]["spec"]


def variables(settings: type[Any]) -> set[str]:
    """The names under which a settings class reads the environment."""
    prefix = settings.model_config["env_prefix"]
    names: set[str] = set()
    for name, field in settings.model_fields.items():
        match field.validation_alias:
            case AliasChoices(choices=choices):
                names |= {str(choice) for choice in choices}
            case str(alias):
                names.add(alias)
            case _:
                names.add(f"{prefix}{name}".upper())
    return names


def known(service: str) -> set[str]:
    if service == "provision":
        return variables(ProvisionSettings)
    settings: type[ServiceSettings] = import_module(f"services.{service}.settings").Settings
    return variables(settings) | variables(ProbeSettings)


def test_every_service_runs_in_both() -> None:
    assert set(COMPOSE["services"]) == {*SERVICES, *OTHERS, "provision"}
    assert {name for name, _ in workloads()} == {*SERVICES, "provision"}


@pytest.mark.parametrize("name", [*SERVICES, "provision"])
def test_every_variable_is_a_setting(name: str) -> None:
    given = set(COMPOSE["services"][name]["environment"])
    assert given <= known(name)
    pod = dict(workloads())[name]
    assert {entry["name"] for entry in pod["containers"][0]["env"]} <= known(name)


@pytest.mark.parametrize("name", [*SERVICES, "provision"])
def test_nothing_runs_with_more_rights_than_it_needs(name: str) -> None:
    one = COMPOSE["services"][name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["mem_limit"]
    pod = dict(workloads())[name]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_databases_are_not_published() -> None:
    assert not [name for name in OTHERS if COMPOSE["services"][name].get("ports")]


def test_no_secret_has_a_value() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for line in text.splitlines():
        if re.search(r"(PASSWORD|KEY)[A-Z_]*:", line):
            assert "${" in line, line


def test_probes_ask_what_is_there() -> None:
    paths = {route.path for route in routes(application())}
    for name, pod in workloads():
        if name == "provision":
            continue
        container = pod["containers"][0]
        for probe in ("startupProbe", "readinessProbe"):
            if name == "gateway":
                assert container[probe]["httpGet"]["path"] in paths
            else:
                assert container[probe]["exec"]["command"] == ["minirag", "healthcheck"]


def test_the_broker_syncs_before_it_acknowledges() -> None:
    assert "sync_interval: always" in (ROOT / "deploy" / "nats.conf").read_text()


def test_images_carry_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    images = [COMPOSE["services"][name]["image"] for name in SERVICES]
    images += [pod["containers"][0]["image"] for _, pod in workloads()]
    assert {image.rsplit(":", 1)[1] for image in images} == {version.group(1)}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl to render overlays")
@pytest.mark.parametrize("overlay", ["small", "ha"])
def test_overlays_render(overlay: str) -> None:
    made = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "deploy" / "k8s" / "overlays" / overlay)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rendered = list(yaml.safe_load_all(made))
    assert all(
        found["kind"] == "Namespace" or found["metadata"]["namespace"] == "minirag"
        for found in rendered
    )
    config = next(found for found in rendered if found["kind"] == "ConfigMap")
    for pod in (found for found in rendered if found["kind"] == "Deployment"):
        for entry in pod["spec"]["template"]["spec"]["containers"][0]["env"]:
            source = entry.get("valueFrom", {}).get("configMapKeyRef")
            assert source is None or source["key"] in config["data"]
