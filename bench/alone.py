"""A measurement of its own: on an installation that is there for it alone."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, Protocol

from tests.harness import Installation

__all__ = ["measure_alone"]


class Measure(Protocol):
    def __call__(self, url: str, *, quick: bool) -> dict[str, Any]: ...


def measure_alone(
    name: str, about: str | None, measure: Measure, brief: Measure | None = None
) -> None:
    """Run `measure` as a program with the option `--quick`, and print what it found as JSON.

    With `--short`, if there is `brief`, run that: figures that can be trusted less, but sooner.
    """
    options = argparse.ArgumentParser(prog=name, description=about)
    options.add_argument("--quick", action="store_true")
    if brief is not None:
        options.add_argument("--short", action="store_true")
    given = options.parse_args()
    if brief is not None and given.short:
        measure = brief
    with tempfile.TemporaryDirectory(prefix="minirag-bench-") as folder:
        Path(folder).chmod(0o711)  # Postgres has a user of its own where we are root
        running = Installation(Path(folder) / "data").start()
        try:
            found = measure(running.url, quick=given.quick)
        finally:
            running.stop()
    print(json.dumps(found, indent=2))
