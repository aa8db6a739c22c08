"""The Dockerfile as instructions."""

import re
import shlex
import tomllib
from dataclasses import dataclass
from functools import cache

from tests.deploy.compose import ROOT

FILE = ROOT / "Dockerfile"
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str


@cache
def instructions() -> tuple[Instruction, ...]:
    """In their order, continued lines joined and comments left out."""
    lines = [ln for ln in FILE.read_text().splitlines() if not ln.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return tuple(Instruction(name, text) for name, text in pairs)


@cache
def stages() -> tuple[tuple[Instruction, ...], ...]:
    """Each begins with its FROM."""
    found: list[list[Instruction]] = []
    for instruction in instructions():
        if instruction.name == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return tuple(tuple(stage) for stage in found)


def last(name: str) -> str:
    """What the result has from the last instruction of that name."""
    return [one.text for one in stages()[-1] if one.name == name][-1]


def environment(service: str) -> dict[str, str]:
    """What the image of `service` sets."""
    found = {}
    for instruction in stages()[-1]:
        if instruction.name == "ENV":
            for part in shlex.split(instruction.text):
                name, _, value = part.partition("=")
                found[name] = value.replace("${SERVICE}", service)
    return found
