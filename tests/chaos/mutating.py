"""Runs tests with a fault in the code: one module is loaded with another text than its file has.

A program. For each line with the name of a mutant and a folder, it forks a process that runs the
tests which must notice it, and answers with what that ended with. What they need of others is
loaded once, and files are not touched, so that what is compiled already is used.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from typing_extensions import override

from tests.chaos.mutants import MUTANTS, OUTPUT, ROOT, Mutant, mutated

OPTIONS = (
    *("-x", "-n0", "-p", "no:cacheprovider", "-p", "no:randomly"),
    # Those that are loaded here already.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
OTHERS = (
    "asyncpg",
    "cryptography.fernet",
    "faststream.nats",
    "httpx",
    "hypothesis",
    "nats.js",
    "psutil",
    "pydantic_settings",
    "pytest_asyncio.plugin",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "xdist.plugin",
)
"""What the tests load that is not ours. It starts no thread, which a fork would lose."""


class Otherwise(SourceFileLoader):
    """Loads a module from a text of its own."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        super().__init__(name, str(path))
        self._text = text

    @override
    def get_code(self, fullname: str) -> CodeType:
        """Not from what is compiled already."""
        return compile(self._text, self.path, "exec", dont_inherit=True)


class Fault(MetaPathFinder):
    """Finds the module of a mutant before anybody else does."""

    def __init__(self, mutant: Mutant) -> None:
        self._path = ROOT / mutant.file
        self._module = mutant.file.removesuffix(".py").replace("/", ".")
        self._text = mutated(mutant)

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        loader = Otherwise(fullname, self._path, self._text)
        return spec_from_file_location(fullname, self._path, loader=loader)


def main() -> None:
    for name in OTHERS:
        importlib.import_module(name)
    for line in sys.stdin:
        name, folder = line.rstrip("\n").split("\t")
        (mutant,) = (one for one in MUTANTS if one.name == name)
        if (pid := os.fork()) == 0:
            os._exit(_child(mutant, Path(folder)))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _child(mutant: Mutant, folder: Path) -> int:
    output = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for file, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(file, standard)
    ours = [one for one in sys.modules if one.startswith(("services.", "shared."))]
    assert not ours, f"it is too late to change them: {ours}"
    sys.meta_path.insert(0, Fault(mutant))
    code = pytest.main([*OPTIONS, f"--basetemp={folder / 'tests'}", *mutant.noticed_by])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main()
