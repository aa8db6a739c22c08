"""Test suites as CSV files: RFC 4180, several values of a cell on lines of their own."""

import csv
import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from pydantic import ValidationError

from shared.contracts.chat_playground import TestCase
from shared.contracts.chat_playground_views import TestQuestionViews
from shared.kernel.errors import InvalidCommand
from shared.web import csv_stream

COLUMNS = tuple(TestCase.model_fields)
MANY = frozenset({"expected_sources", "must", "must_not"})
TRUTH = {"": False, "false": False, "0": False, "no": False, "true": True, "1": True, "yes": True}


async def written(pages: AsyncGenerator[TestQuestionViews, None]) -> AsyncGenerator[bytes, None]:
    """The file, a page of questions at a time; no cell of it is taken for a formula."""
    yield csv_stream.rows([COLUMNS])
    async with aclosing(pages):
        async for page in pages:
            yield csv_stream.rows(
                [_cell(getattr(one.case, name)) for name in COLUMNS] for one in page.items
            )


def read(text: str, *, most: int) -> list[TestCase]:
    """The test cases of a file. Raise `InvalidCommand` that tells the line at fault."""
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        header = [name.strip().casefold() for name in next(lines, [])]
        unknown = sorted(set(header) - set(COLUMNS))
        if "question" not in header or unknown or len(set(header)) < len(header):
            told = f": not known: {', '.join(unknown)[:200]}" if unknown else ""
            raise _wrong(f"the first line names the columns, `question` among them{told}")
        found: list[TestCase] = []
        for cells in lines:
            if not any(cells):
                continue
            if len(found) == most:
                raise _wrong(f"more than {most} questions")
            found.append(_case(header, cells, lines.line_num))
    except csv.Error as error:
        raise _wrong(f"line {lines.line_num}: {error}") from error
    if not found:
        raise _wrong("there is no question in it")
    return found


def _case(header: list[str], cells: list[str], line: int) -> TestCase:
    if len(cells) > len(header):
        raise _wrong(f"line {line}: more cells than columns")
    given = {name: _plain(cell) for name, cell in zip(header, cells, strict=False) if cell}
    values: dict[str, Any] = dict(given)
    for name in MANY & given.keys():
        values[name] = [one.strip() for one in given[name].split("\n") if one.strip()]
    if "refused" in given:
        truth = TRUTH.get(given["refused"].strip().casefold())
        if truth is None:
            raise _wrong(f"line {line}: refused: true or false")
        values["refused"] = truth
    try:
        return TestCase.model_validate({"question": "", **values})
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(f"line {line}: {first['loc'][0]}: {first['msg']}") from error


def _cell(value: object) -> object:
    """As it stands in the file, before it is guarded."""
    match value:
        case bool():
            return "true" if value else "false"
        case tuple():
            return "\n".join(value)
        case _:
            return value


def _plain(cell: str) -> str:
    """Without the apostrophe that guards a cell from being taken for a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(csv_stream.DANGEROUS) else cell


def _wrong(detail: str) -> InvalidCommand:
    return InvalidCommand(f"csv: {detail}", field="csv")
