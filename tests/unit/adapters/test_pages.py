"""A page fits into a message, and says whether another follows."""

from typing import Any

import pytest
from pydantic import BaseModel

from shared.adapters.pages import BYTES, ESCAPED, FOUND, PAGE_BYTES, POSITION, cut


class View(BaseModel):
    text: str


def rows(count: int, found: int, each: int = PAGE_BYTES // 10) -> list[Any]:
    """Each of so many bytes in the database."""
    return [
        {POSITION: 10 - n, "id": f"i{n}", FOUND: found, BYTES: each * (n + 1)} for n in range(count)
    ]


def views(*texts: str) -> list[View]:
    return [View(text=text) for text in texts]


def test_nothing_is_an_empty_last_page() -> None:
    assert cut([], []) == ((), None)


@pytest.mark.parametrize(("found", "following"), [(2, None), (3, (9, "i1"))])
def test_the_last_item_leads_on_if_there_is_more(
    found: int, following: tuple[int, str] | None
) -> None:
    items, leads = cut(rows(2, found), views("a", "b"))
    assert (len(items), leads) == (2, following)


def test_what_does_not_fit_is_left_for_the_next_page() -> None:
    large = "x" * (PAGE_BYTES // 2)
    items, leads = cut(rows(3, 3), views(large, large, large))
    assert (len(items), leads) == (1, (10, "i0"))


def test_bytes_count_as_they_are_sent() -> None:
    controls = "\x01" * (PAGE_BYTES // 10)
    items, leads = cut(rows(2, 2), views(controls, controls))
    assert (len(items), leads) == (1, (10, "i0"))
    wide = "€" * (PAGE_BYTES // 5)
    assert len(cut(rows(2, 2, len(wide.encode())), views(wide, wide))[0]) == 1


def test_an_item_that_is_larger_than_a_page_is_a_page() -> None:
    items, leads = cut(rows(2, 2), views("x" * (PAGE_BYTES + 1), "b"))
    assert (len(items), leads) == (1, (10, "i0"))


def test_what_fits_however_it_is_written_is_all_there() -> None:
    each = PAGE_BYTES // ESCAPED // 2
    controls = "\x01" * each
    assert len(cut(rows(2, 2, each), views(controls[:-20], controls[:-20]))[0]) == 2
    assert len(cut(rows(2, 2, each + 1), views(controls + "\x01", controls + "\x01"))[0]) == 1
