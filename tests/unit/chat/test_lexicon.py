"""What words mean in the languages of the texts."""

import pytest

from services.chat.adapters.lexicon import LANGUAGES, known_words, table, translations


class TestTheLexicon:
    def test_has_a_word_of_every_language_in_each_row(self) -> None:
        for row in table():
            assert len(row) == len(LANGUAGES)
            assert all(row), row

    @pytest.mark.parametrize(
        ("word", "spoken", "meant"),
        [
            ("schlacht", "de", "battle"),
            ("schlachten", "de", "battle"),
            ("häuser", "de", "house"),
            ("gegründet", "de", "founded"),
            ("ciudades", "es", "city"),
            ("городами", "ru", "city"),
            ("城市", "zh", "city"),
        ],
    )
    def test_knows_a_word_in_any_of_its_forms(self, word: str, spoken: str, meant: str) -> None:
        assert meant in translations(word, spoken, ["en"])

    def test_tells_in_each_of_the_languages_that_are_wanted(self) -> None:
        found = translations("battles", "en", ["de", "zh"])
        assert {"Schlacht", "战役"} <= set(found)
        assert "batalla" not in found

    def test_knows_a_compound_by_its_parts(self) -> None:
        assert {"school", "building"} <= set(translations("schulgebäude", "de", ["en"]))
        assert {"government", "party"} <= set(translations("regierungspartei", "de", ["en"]))

    def test_knows_nothing_of_names_and_of_languages_that_it_does_not_have(self) -> None:
        assert translations("krakatau", "de", ["en"]) == ()
        assert translations("bitwa", "pl", ["en"]) == ()
        assert translations("schlacht", "de", ["pl"]) == ()

    def test_finds_known_words_in_what_is_written_without_blanks(self) -> None:
        assert known_words(["这座城市的政府", "1959"], "zh") == ["城市", "政府", "1959"]

    def test_leaves_a_question_whole_of_which_it_knows_nothing(self) -> None:
        assert known_words(["喀拉喀托"], "zh") == ["喀拉喀托"]
        assert known_words(["schlacht", "krakatau"], "de") == ["schlacht", "krakatau"]
