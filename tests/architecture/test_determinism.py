"""Rows and decisions follow from events alone: a replay gives the same, whenever it runs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.extras import ROOT

IMPURE = {
    "time", "random", "secrets", "uuid", "os", "socket", "platform", "getpass", "tempfile",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "new_id", "utc_now",
    "current_timestamp", "now", "clock_timestamp", "statement_timestamp", "gen_random_uuid",
    "hash", "id", "input", "open", "environ", "getenv", "urandom",
}  # fmt: skip
"""Modules and calls whose result is not the same tomorrow."""
JUSTIFIED = {
    (
        "services/chat/projections/index.py",
        "new_id",
    ): "names a vector index: another one per rebuild",
    (
        "services/chat/projections/shadow_indexes.py",
        "new_id",
    ): "the same, and the row is gone with its run",
}
"""The few that do not reach a row that anybody compares."""

PURE = sorted(
    str(file.relative_to(ROOT))
    for pattern in (
        "*/projections.py",
        "*/projections/*.py",
        "*/tables.py",
        "*/domain.py",
        "*/domain/*.py",
    )
    for file in (ROOT / "services").glob(pattern)
)


def impure(source: str) -> Iterator[str]:
    """The names in `source` that bring in something else than its arguments."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] in IMPURE)
            case ast.ImportFrom(module=str(module), names=names):
                if module.split(".")[0] in IMPURE:
                    yield module
                yield from (alias.name for alias in names if alias.name in IMPURE)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)):
                if f"{owner}.{name}" in IMPURE or (owner in {"func", "sa"} and name in IMPURE):
                    yield f"{owner}.{name}"
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE:
                yield name
            case ast.Constant(value=str(text)) if text.strip().lower() in {"now()", "random()"}:
                yield text


@pytest.mark.parametrize("file", PURE)
def test_nothing_but_events_decides_what_is_written(file: str) -> None:
    found = set(impure(Path(ROOT / file).read_text()))
    assert {name for name in found if (file, name) not in JUSTIFIED} == set()


def test_every_justification_is_still_needed() -> None:
    for file, name in JUSTIFIED:
        assert name in impure((ROOT / file).read_text())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import random", "random"),
        ("import time as t", "time"),
        ("from uuid import uuid4", "uuid"),
        ("from shared.kernel.clock import utc_now", "utc_now"),
        ("from shared.kernel.ids import new_id", "new_id"),
        ("row = {'at': datetime.now(UTC)}", "datetime.now"),
        ("Column('at', default=func.now())", "func.now"),
        ("Column('at', server_default=text('now()'))", "now()"),
        ("bucket = hash(name)", "hash"),
    ],
)
def test_the_check_finds_it(line: str, found: str) -> None:
    assert found in set(impure(line))


def test_the_check_lets_through_what_comes_with_the_event() -> None:
    assert list(impure("row = {'at': recorded.at, 'now': metadata.now}")) == []
