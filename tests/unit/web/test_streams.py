"""Large answers, piece by piece."""

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel

from shared.web import csv_stream, json_stream


class Item(BaseModel):
    n: int
    text: str = 'ü"\n'


async def pages(*sizes: int) -> AsyncIterator[Sequence[Item]]:
    n = 0
    for size in sizes:
        yield [Item(n=n + i) for i in range(size)]
        n += size


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (3, 2), (0, 2, 0, 1), (2, 0)])
async def test_pages_become_one_array(sizes: tuple[int, ...]) -> None:
    text = b"".join([piece async for piece in json_stream.array(pages(*sizes))])
    assert json.loads(text) == [{"n": n, "text": 'ü"\n'} for n in range(sum(sizes))]


CELL = st.one_of(
    st.integers(), st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
)


@given(st.lists(st.lists(CELL, min_size=2, max_size=4), max_size=5))
def test_a_table_is_read_back_as_it_was_and_no_cell_begins_a_formula(
    lines: list[list[int | str | None]],
) -> None:
    written = csv_stream.rows(lines).decode()
    assert written.count("\r\n") >= len(lines)
    found = list(csv.reader(io.StringIO(written, newline="")))
    assert len(found) == len(lines)
    for row, line in zip(found, lines, strict=True):
        for cell, value in zip(row, line, strict=True):
            plain = "" if value is None else str(value)
            assert cell == plain or (cell == f"'{plain}" and isinstance(value, str))
            if isinstance(value, str):
                assert not cell.startswith(csv_stream.DANGEROUS)


def test_numbers_stay_numbers_and_nothing_is_an_empty_cell() -> None:
    assert csv_stream.rows([(-5, None, "-5", "plain")]) == b"-5,,'-5,plain\r\n"
