"""`local/extractive` quotes, cites, and makes nothing up."""

import re
from contextlib import aclosing

import pytest
from hypothesis import given, strategies as st

from services.chat.adapters.extractive import (
    MOST_CHARACTERS,
    NAME,
    SHORTEST,
    ExtractiveModel,
    extract,
    sentences_of,
)
from services.chat.domain.prompt import cited_numbers
from services.chat.ports import Prompt, Spent, Text
from tests.unit.chat.samples import passage

MANUAL = """## Guarantee

Every bicycle carries a guarantee of seven years on its frame. The bell is sold separately in the
shop. Paint is not covered by it.

- Tyres can be returned within thirty days.
- **Wheels** are made in [Hamburg](https://hamburg.example) by hand.

| Item | Price |
|---|---|
| A very loud bell | 10 Euro |
"""
QUESTIONS = {
    "en": (
        "How long is the guarantee?",
        "The guarantee lasts seven years.",
        "Bells are always red.",
    ),
    "de": (
        "Wie lange gilt die Garantie?",
        "Die Garantie gilt sieben Jahre lang.",
        "Klingeln sind immer rot und laut.",
    ),
    "ru": (
        "Сколько лет действует гарантия?",
        "Гарантия действует семь лет на раму.",
        "Звонки всегда красные и громкие.",
    ),
    "ja": (
        "保証は何年ですか。",
        "この自転車のフレームの保証は七年間有効となっております。",
        "ベルはいつも赤くて大きな音がするものばかりです。",
    ),
}


def without_marks(answer: str) -> str:
    return re.sub(r"\s*\[\d+\]", "", answer)


def made_of(answer: str, quotations: set[str]) -> bool:
    """Whether an answer is nothing but these, with blanks between them."""
    return not answer or any(
        made_of(answer[len(one) :].removeprefix(" "), quotations)
        for one in quotations
        if answer.startswith(one)
    )


class TestTheAnswer:
    def test_quotes_the_best_sentence_with_its_number(self) -> None:
        answer = extract(
            "How long is the guarantee on the frame?",
            [passage("Rain is wet today as always.", 1), passage(MANUAL, 2)],
        )
        assert answer.startswith("Every bicycle carries a guarantee of seven years on its frame.")
        assert cited_numbers(answer) == {2}

    @pytest.mark.parametrize("language", QUESTIONS)
    def test_is_found_in_any_language(self, language: str) -> None:
        question, right, wrong = QUESTIONS[language]
        answer = extract(question, [passage(f"{wrong} {right}", language=language)])
        assert f"{right} [1]" in answer

    def test_keeps_the_order_of_the_passages(self) -> None:
        text = "The guarantee for bells ends soon. The guarantee for frames lasts seven years."
        answer = extract("guarantee frames bells", [passage(text)])
        assert answer.index("bells") < answer.index("frames")

    def test_says_nothing_twice(self) -> None:
        text = "The guarantee lasts seven years."
        answer = extract("How long is the guarantee?", [passage(text, 1), passage(text, 2)])
        assert answer == f"{text} [1]"

    def test_is_one_to_three_sentences_of_some_length(self) -> None:
        text = " ".join(f"The guarantee number {n} covers part {n} of it." for n in range(50))
        answer = extract("What does the guarantee cover?", [passage(text)])
        assert 1 <= len(re.findall(r"\[1\]", answer)) <= 3
        assert len(without_marks(answer)) <= MOST_CHARACTERS + 10

    def test_finds_the_row_whose_number_is_asked_for(self) -> None:
        rows = [f"Bicycle: Model {n}\nPrice: {n}0 euros" for n in range(140, 190)]
        answer = extract("What is the price of Model 173?", [passage("\n\n".join(rows))])
        assert answer == "Bicycle: Model 173 Price: 1730 euros [1]"

    def test_where_there_is_nothing_but_scraps_is_a_scrap(self) -> None:
        assert extract("What does it cost?", [passage("Fee: 5 Euro.")]) == "Fee: 5 Euro. [1]"
        assert extract("Anything?", [passage("# Only a heading")]) == "Only a heading [1]"

    def test_without_a_matching_word_is_still_a_quotation(self) -> None:
        answer = extract("Weather?", [passage("Every bicycle carries a guarantee.")])
        assert answer == "Every bicycle carries a guarantee. [1]"

    @pytest.mark.parametrize("text", ["", "|---|---|", "\n\n"])
    def test_of_nothing_is_nothing(self, text: str) -> None:
        assert extract("Anything?", [passage(text)]) == ""
        assert extract("Anything?", []) == ""

    @given(st.text(max_size=80), st.lists(st.text(max_size=200), max_size=3))
    def test_holds_only_words_of_its_passages(self, question: str, texts: list[str]) -> None:
        passages = [passage(text, n) for n, text in enumerate(texts, 1)]
        answer = extract(question, passages)
        quotations = {f"{s} [{one.n}]" for one in passages for s in sentences_of(one, scraps=True)}
        assert made_of(answer, quotations)


class TestSentences:
    def test_lose_their_markdown_and_keep_their_words(self) -> None:
        found = sentences_of(passage(MANUAL))
        assert "Wheels are made in Hamburg by hand." in found
        assert "Tyres can be returned within thirty days." in found
        assert not any("#" in sentence or "**" in sentence for sentence in found)

    def test_leave_out_headings_and_scraps(self) -> None:
        found = sentences_of(passage(MANUAL))
        assert "Guarantee" not in found
        assert all(len(sentence) >= SHORTEST for sentence in found)

    def test_keep_the_cells_of_a_table_apart(self) -> None:
        assert any("A very loud bell · 10 Euro" in s for s in sentences_of(passage(MANUAL)))

    @pytest.mark.parametrize("language", [None, "xx", "de", "zh"])
    def test_are_told_in_any_language(self, language: str | None) -> None:
        text = "This is the first sentence. This is the second sentence."
        assert len(sentences_of(passage(text, language=language))) >= 1


async def test_the_answer_comes_in_pieces_and_is_paid_with_nothing() -> None:
    prompt = Prompt("gpt-4o", [], "How long is it?", [passage(MANUAL)], 0, 10)
    async with aclosing(ExtractiveModel().stream(prompt)) as pieces:
        said = [piece async for piece in pieces]
    texts = [piece.text for piece in said if isinstance(piece, Text)]
    assert "".join(texts) == extract("How long is it?", [passage(MANUAL)])
    assert len(texts) > 5
    took = said[-1]
    assert isinstance(took, Spent)
    assert took.model == NAME
    assert took.completion_tokens == len("".join(texts).split())
