"""Test suites as CSV files."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from services.gateway.http.suite_files import COLUMNS, read, written
from shared.contracts.chat_playground import TestCase
from shared.contracts.chat_playground_views import TestQuestionView, TestQuestionViews
from shared.kernel.errors import InvalidCommand

AT = datetime(2026, 1, 1, tzinfo=UTC)
FULL = TestCase(
    question='How "long"?',
    expected_answer="Seven, or eight\nyears",
    expected_sources=("Manual", "https://velo.example/a,b"),
    must=("seven",),
    must_not=("nine", "ten"),
    language="en",
)


async def file_of(*cases: TestCase) -> str:
    async def pages() -> AsyncGenerator[TestQuestionViews, None]:
        for n, case in enumerate(cases):
            view = TestQuestionView(id=str(n), suite_id="s", case=case, created_at=AT)
            yield TestQuestionViews(items=(view,))

    return b"".join([piece async for piece in written(pages())]).decode()


class TestAFile:
    async def test_comes_back_as_it_was(self) -> None:
        cases = [FULL, TestCase(question="Mars?", refused=True)]
        assert read(await file_of(*cases), most=10) == cases

    async def test_holds_nothing_that_a_spreadsheet_takes_for_a_formula(self) -> None:
        cases = [TestCase(question="=1+1", must=("@SUM(A1)",), expected_answer="-7")]
        text = await file_of(*cases)
        assert text.split("\r\n")[1] == "'=1+1,'-7,,'@SUM(A1),,,false"
        assert read(text, most=10) == cases

    def test_needs_nothing_but_questions(self) -> None:
        assert read("Question\nWhy?\n\nHow?\n", most=10) == [
            TestCase(question="Why?"),
            TestCase(question="How?"),
        ]

    def test_may_begin_with_a_mark_and_have_its_own_words_for_yes(self) -> None:
        (case,) = read("\ufeffquestion,refused\nMars?,Yes\n", most=1)
        assert case.refused

    def test_has_a_column_for_everything_that_a_case_tells(self) -> None:
        assert set(COLUMNS) == set(TestCase.model_fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("answer\nx\n", "first line"),
        ("question,question\nx,y\n", "first line"),
        ("question,colour\nx,red\n", "not known: colour"),
        ("question\n", "no question"),
        ("question\nx,y\n", "line 2: more cells"),
        ("question,language\nx,english\n", "line 2: language"),
        ("question,refused\nx,perhaps\n", "line 2: refused"),
        ('question\n"x\n', "line 2"),
        ("question,must\n,x\n", "line 2: question"),
        ("question\na\nb\nc\n", "more than 2"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, words: str) -> None:
    with pytest.raises(InvalidCommand, match=words) as refused:
        read(text, most=2)
    assert refused.value.field == "csv"


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    try:
        found: Sequence[TestCase] = read(text, most=5)
    except InvalidCommand:
        found = ()
    assert len(found) <= 5
