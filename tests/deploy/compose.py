"""docker-compose.yml as Docker reads it: variables put in, anchors resolved."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where PyYAML has that: the manifests are read by every process of tests."""
ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
WATCHING = ROOT / "compose.observability.yml"
"""Layered on top of it."""
OURS = ("gateway", "ingest", "chat", "scheduler", "analytics", "webhooks")
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")

INITIALISED = {"MINIRAG_UID": "1000", "MINIRAG_GID": "1000", "MINIRAG_DOMAIN": "localhost"}
"""What `minirag init` writes into `.env`, as far as the file insists on it."""


class Unset(Exception):
    """A variable that the file insists on is not set."""


def interpolated(text: str, env: Mapping[str, str]) -> str:
    """Put variables in, by the rules of the Compose Specification that the file uses."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        found = env.get(match["name"], "")
        if match["kind"] == "-":
            return found or match["rest"]
        if match["kind"] == "?" and not found:
            raise Unset(match["rest"])
        return found

    return VARIABLE.sub(value, text)


def resolved(env: Mapping[str, str] = INITIALISED, file: Path = FILE) -> dict[str, Any]:
    """The whole file as data."""
    text = interpolated(file.read_text(), env)
    loaded: dict[str, Any] = yaml.load(text, LOADER)  # noqa: S506  either is a safe one
    return loaded


def services(env: Mapping[str, str] = INITIALISED) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = resolved(env)["services"]
    return found


def secret_targets(service: Mapping[str, Any]) -> dict[str, str]:
    """Names of secrets, and where in the container they are."""
    found = {}
    for entry in service.get("secrets", ()):
        name = entry if isinstance(entry, str) else entry["source"]
        target = name if isinstance(entry, str) else entry["target"]
        found[name] = target if target.startswith("/") else f"/run/secrets/{target}"
    return found
