"""What the extras of pyproject.toml install, told from the metadata of what is installed here."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

BARE = """
import importlib
import json
import sys

missing, wanted, refused = json.loads(sys.argv[1])


class Bare:
    # A finder that does not find what is not installed.
    def __init__(self, inner):
        self.inner = inner

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            return None
        return self.inner.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.inner, name)


sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path]
for module in wanted:
    importlib.import_module(module)
loaded = {name.partition(".")[0] for name in sys.modules} & set(refused)
sys.exit(f"loaded at import: {sorted(loaded)}" if loaded else 0)
"""
"""Imports modules as if only some distributions were installed."""


def declared(extra: str) -> list[Requirement]:
    """What the distribution itself requires, with this extra."""
    lines = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]
    found = [Requirement(line) for line in lines]
    named = [one for one in found if one.name != PROJECT["name"]]
    for one in found:
        if one.name == PROJECT["name"]:
            for inner in one.extras:
                named += declared(inner)
    return [one for one in named if one.marker is None or one.marker.evaluate()]


def names(requirements: Iterable[Requirement]) -> set[str]:
    return {canonicalize_name(one.name) for one in requirements}


def installed_by(extra: str) -> set[str]:
    """Names of all distributions that come with the extra."""
    found: set[str] = set()
    _gather(declared(extra), found)
    return found


def missing_without(distributions: set[str]) -> list[str]:
    """Top-level modules that would not be there if only these were installed."""
    return sorted(
        module
        for module, owners in _owners().items()
        if not owners & distributions and module not in ("services", "shared")
    )


def distributions_of(module: str) -> frozenset[str]:
    return _owners().get(module.partition(".")[0], frozenset())


@cache
def _owners() -> Mapping[str, frozenset[str]]:
    """Names of the distributions that bring a top-level module; takes seconds to find out."""
    return {
        module: frozenset(map(canonicalize_name, owners))
        for module, owners in packages_distributions().items()
    }


def _gather(wanted: Iterable[Requirement], found: set[str]) -> None:
    for one in wanted:
        name = canonicalize_name(one.name)
        fresh = name not in found
        found.add(name)
        if fresh or one.extras:
            inner = [further for further in _requires(name, one.extras) if further.name != name]
            _gather([further for further in inner if _new(further, found)], found)


def _new(one: Requirement, found: set[str]) -> bool:
    return bool(one.extras) or canonicalize_name(one.name) not in found


def _requires(name: str, extras: Iterable[str]) -> Iterator[Requirement]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return  # for another platform
    for line in lines:
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in ("", *extras)):
            yield one
