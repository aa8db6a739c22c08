"""An answer cites what it was given and nothing else, however it is cut into pieces."""

import pytest
from hypothesis import given, strategies as st

from services.chat.domain.citing import CitationFilter


def filtered(pieces: list[str]) -> str:
    it = CitationFilter({1, 2})
    return "".join([*map(it.feed, pieces), it.rest()])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Seven years [1].", "Seven years [1]."),
        ("Seven years [7].", "Seven years."),
        ("Seven years[3], or more [2].", "Seven years, or more [2]."),
        ("Both [1, 2] and [1;9].", "Both [1][2] and [1]."),
        ("Seven 【2】 or 【5】", "Seven [2] or"),
        ("A footnote [^1][^8].", "A footnote [1]."),
        ("[0] [99] [1]", " [1]"),
        ("In [2024] or [a] or [ ].", "In [2024] or [a] or [ ]."),
        (
            "`row[0]` and\n```\nlist[7] = 1\n```\nend [7].",
            "`row[0]` and\n```\nlist[7] = 1\n```\nend.",
        ),
        ("A stray ` here [7].\nAnd [8].", "A stray ` here [7].\nAnd."),
        ("``a ` [7]`` and [7].", "``a ` [7]`` and."),
        ("It stops in the middle [1", "It stops in the middle [1"),
        ("no marks, two  blanks \n and an end ", "no marks, two  blanks \n and an end "),
        ("[" + "1," * 40, "[" + "1," * 40),
    ],
)
def test_numbers_that_lead_nowhere_are_taken_out(said: str, told: str) -> None:
    assert filtered([said]) == told
    assert filtered(list(said)) == told


@given(st.lists(st.text("ab [1]【】3,`\n", max_size=8), max_size=8))
def test_how_it_is_cut_changes_nothing(pieces: list[str]) -> None:
    assert filtered(pieces) == filtered(["".join(pieces)])


def test_nothing_is_held_back_but_the_beginning_of_a_mark() -> None:
    it = CitationFilter({1})
    assert it.feed("Seven years") == "Seven years"
    assert it.feed(" [") == ""
    assert it.feed("1] or") == " [1] or"
