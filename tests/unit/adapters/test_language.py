"""Which language a text is in, or that it cannot be told."""

import pytest

from shared.adapters.language import SHORTEST, detect, detect_part

TEXTS = {
    "de": "Jedes Fahrrad trägt eine Garantie von sieben Jahren auf seinen Rahmen.",
    "en": "Every bicycle carries a guarantee of seven years on its frame.",
    "fr": "Chaque vélo est garanti sept ans sur son cadre, sans aucune exception.",
    "es": "Cada bicicleta tiene una garantía de siete años sobre su cuadro.",
    "ru": "Каждый велосипед имеет гарантию семь лет на раму.",
    "ja": "自転車のフレームには七年間の保証があります。ベルは別売りです。",
    "zh": "每辆自行车的车架都有七年的保修期。铃铛需要另外购买。谢谢您的理解。",
    "ar": "كل دراجة لها ضمان لمدة سبع سنوات على إطارها المعدني.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_sentence_is_enough(language: str) -> None:
    assert detect(TEXTS[language]) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [("喀拉喀托岛位于哪个海峡", "zh"), ("日本の首都はどこですか", "ja")],
)
def test_fewer_characters_are_enough_where_each_is_a_word(text: str, language: str) -> None:
    assert len(text) < SHORTEST
    assert detect(text) == language


@pytest.mark.parametrize("text", ["", " ", "Hallo", "你好", "x" * (SHORTEST - 1), " \n" * 100])
def test_less_than_a_sentence_is_not(text: str) -> None:
    assert detect(text) is None


@pytest.mark.parametrize("text", ["0123456789 " * 10, "\x00" * 40, "~!@#$%^&*()" * 10])
def test_what_is_no_language_does_no_harm(text: str) -> None:
    found = detect(text)
    assert found is None or len(found) == 2


def test_lines_do_not_matter() -> None:
    assert detect(TEXTS["de"].replace(" ", "\n")) == "de"


class TestParts:
    GERMAN = (
        "Der Rahmen jedes Fahrrads hat eine Garantie von sieben Jahren, und die Gabel eine "
        "Garantie von drei Jahren."
    )

    def test_a_part_in_another_language_is_told(self) -> None:
        assert detect_part(self.GERMAN, "en") == "de"

    def test_a_short_or_doubtful_part_is_in_the_language_of_the_document(self) -> None:
        assert detect_part("Garantie: sieben Jahre", "en") == "en"
        assert detect_part("12 34 56 78 90 " * 10, "en") == "en"
        assert detect_part("Garantie: sieben Jahre", None) is None


def test_texts_in_capitals_are_told_as_others() -> None:
    assert detect(TEXTS["de"].upper()) == "de"
    assert detect_part(TestParts.GERMAN.upper() + " and so", "en") == "de"
