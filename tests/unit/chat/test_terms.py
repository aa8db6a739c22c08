"""Terms, folding and coverage: what makes two texts alike without a model."""

import pytest
from hypothesis import given, strategies as st

from services.chat.adapters.evidence import coverages, likenesses
from services.chat.adapters.folding import fold
from services.chat.adapters.lexical import document_terms, pieces, query_terms, terms
from services.chat.adapters.questions import asked, content_words
from services.chat.domain.calibration import STATIC


def shared(left: str, right: str) -> float:
    """The share of the left text's terms that the right one has."""
    wanted = set(query_terms(left).indices)
    return len(wanted & set(document_terms(right).indices)) / len(wanted)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Philosophie", "filosofía"),
        ("Indonesien", "Индонезия"),
        ("Café", "cafe"),
        ("Straße", "STRASSE"),
        ("Republik", "republic"),
        ("Αθήνα", "Athina"),
    ],
)
def test_words_of_common_origin_share_most_of_their_terms(left: str, right: str) -> None:
    assert shared(left, right) >= 0.5


@pytest.mark.parametrize(("left", "right"), [("Haus", "Baum"), ("北京", "上海"), ("1987", "1887")])
def test_other_words_share_none_or_few(left: str, right: str) -> None:
    assert shared(left, right) < 0.5


def test_a_single_character_with_a_meaning_is_found_in_another_word() -> None:
    assert shared("船", "轮船和帆船") > 0
    assert shared("海豹吃鱼", "胎生鱼是海豹的食物") > shared("海豹吃肉", "胎生鱼是海豹的食物")


def test_parts_of_a_compound_and_inflected_forms_are_found() -> None:
    assert shared("Versicherung", "Krankenversicherungen") >= 0.5
    assert shared("Чеченцы", "чеченцев") >= 0.4


def test_han_is_read_in_pairs_and_beside_latin() -> None:
    assert pieces("北京大学") == ["北京", "京大", "大学"]
    assert shared("大学", "北京大学在海淀") == 1.0
    assert shared("北京", "A北京B") == 1.0


def test_digits_are_not_spelling() -> None:
    assert fold("1999 100") == " 1999 100 "
    assert fold("Bonn") == fold("bon")


def test_repeated_terms_weigh_more_and_long_texts_less() -> None:
    def weight(text: str) -> float:
        found = document_terms(text)
        return dict(zip(found.indices, found.values, strict=True))[query_terms("wall").indices[0]]

    assert weight("wall wall wall") > weight("wall stone clay")
    assert weight("wall " + "stone " * 500) < weight("wall stone")


@given(st.text(max_size=200))
def test_any_text_has_terms_of_32_bits_and_a_question_has_each_once(text: str) -> None:
    found = query_terms(text)
    assert len(found.indices) == len(set(found.indices)) == len(found.values)
    assert all(0 <= number < 2**32 for number in found.indices)
    assert set(found.indices) == set(document_terms(text).indices)
    assert (len(terms(text)) > 0) == bool(fold(text).strip())


@pytest.mark.parametrize(
    ("question", "language", "rest"),
    [
        ("When was the bridge opened?", "en", ["bridge", "opened"]),
        ("Wann wurde die Brücke eröffnet?", "de", ["brücke", "eröffnet"]),
        ("¿Cuándo se abrió el puente?", "es", ["abrió", "puente"]),
        ("Когда открыли мост?", "ru", ["открыли", "мост"]),
    ],
)
def test_the_words_that_carry_a_question_are_left(
    question: str, language: str, rest: list[str]
) -> None:
    assert content_words(question, [language]) == rest
    assert asked(question, [language]).split()[-1] == rest[-1]


def test_a_question_of_nothing_but_such_words_is_kept() -> None:
    assert content_words("What is it?", ["en"])
    assert asked("Why?", ["en"]) == "Why?"


def test_questions_without_blanks_lose_the_words_that_ask() -> None:
    assert "什么" not in asked("桥墩为什么架在橡木梁上", ["zh"])


class TestCoverage:
    def test_is_whole_for_all_words_and_none_for_none(self) -> None:
        texts = ["the bridge was opened in spring", "a barn burnt down"]
        held = coverages(["bridge", "opened"], texts, foreign=False)
        assert held == pytest.approx([1.0, 0.0], abs=0.05)

    def test_a_rare_word_weighs_more_than_one_that_all_have(self) -> None:
        texts = ["bridge harrow", *["bridge"] * 9]
        held = coverages(["bridge", "harrow"], texts, foreign=False)
        assert held[1] < 0.3 < held[0]

    def test_a_word_that_nothing_has_is_missed(self) -> None:
        assert coverages(["bridge", "vitamin"], ["bridge"] * 10, foreign=False)[0] < 0.3

    def test_a_word_that_means_much_weighs_more_than_a_common_one(self) -> None:
        held = coverages(["year", "lantern"], ["the year", "the lantern"], foreign=False)
        assert held[1] > held[0]

    def test_a_run_without_blanks_counts_by_its_pairs(self) -> None:
        held = coverages(["维尔蒙奶酪"], ["维尔蒙是一种奶酪", "今天下雨"], foreign=False)
        assert held[0] > 0.5
        assert held[1] == 0.0

    def test_across_languages_a_word_counts_as_any_of_its_meanings(self) -> None:
        texts = ["the bridge of harrow", "the king of harrow"]
        meanings = {"brücke": ("gangway", "bridge")}
        held = coverages(["brücke", "harrow"], texts, foreign=True, meanings=meanings)
        assert held[0] == pytest.approx(1)
        assert held[1] < 0.5
        assert coverages(["brücke"], texts, foreign=True)[0] < 0.3

    def test_of_nothing_is_nothing(self) -> None:
        assert coverages([], ["text"], foreign=False) == [0.0]
        assert coverages(["ъ"], ["text"], foreign=False) == [0.0]
        assert coverages(["word"], [], foreign=False) == []


class TestLikeness:
    def test_is_what_stands_above_the_other_passages_of_its_language(self) -> None:
        cosines = [0.8, *[0.6] * 6, 0.3]
        found = likenesses(cosines, ["ru"] * 7 + ["en"], STATIC)
        assert found[0] == pytest.approx(0.2)
        assert set(found[1:7]) == {0.0}
        assert found[7] == pytest.approx(0.3 - STATIC.chance_of("en"))

    def test_of_few_passages_is_what_stands_above_chance(self) -> None:
        assert likenesses([0.5], ["de"], STATIC) == [pytest.approx(0.5 - STATIC.chance_of("de"))]
        assert likenesses([0.5], ["ru"], STATIC) == [0.0]
        assert likenesses([0.5], [None], STATIC) == [pytest.approx(0.1)]
