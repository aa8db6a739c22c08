"""The list of connections that may be opened."""

from typing import NamedTuple

import yaml

from tests.deploy.compose import ROOT


class Edge(NamedTuple):
    source: str
    target: str
    port: int


def edges(*where: str) -> set[Edge]:
    """Those of the named parts of the list, and those that hold everywhere."""
    listed = yaml.safe_load((ROOT / "deploy" / "edges.yaml").read_text())
    return {Edge(*edge) for part in ("always", *where) for edge in listed[part]}
