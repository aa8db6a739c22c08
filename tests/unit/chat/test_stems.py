"""Stemmed words, stop words, and how much of a question a passage holds."""

import pytest
from hypothesis import given, strategies as st

from services.chat.adapters.evidence import coverages
from services.chat.adapters.questions import content_words
from services.chat.adapters.stems import document_terms, is_stop_word, query_terms
from services.chat.ports import Scope

SAME = {
    "en": ("Which guarantees cover frames?", "The guarantee is covering the frame.", "Rain falls."),
    "de": (
        "Gibt es Garantien auf Rahmen?",
        "Die Garantie gilt für den Rahmen.",
        "Es regnet heute.",
    ),
    "fr": ("Quelles garanties sur les cadres?", "Une garantie sur le cadre.", "Il pleut beaucoup."),
    "es": ("¿Hay garantías para cuadros?", "La garantía cubre el cuadro.", "Hoy llueve mucho."),
    "ru": ("Какая гарантия на раму?", "Гарантия на раму семь лет.", "Сегодня идёт дождь."),
    "ja": ("保証は何年", "保証は七年間です", "今日は雨が降る"),
    "zh": ("车架 保修", "车架的保修期是七年", "今天下雨了"),
    None: ("guarantee frame", "guarantee of the frame", "nothing here"),
}


@pytest.mark.parametrize("language", SAME)
def test_a_passage_that_answers_covers_more_than_one_that_does_not(language: str | None) -> None:
    question, right, wrong = SAME[language]
    words = content_words(question, [language])
    covered, uncovered = coverages(words, [right, wrong], foreign=False)
    assert covered >= 0.3
    assert uncovered < covered / 2


def test_stop_words_of_a_known_language_are_told() -> None:
    assert is_stop_word("the", "en")
    assert not is_stop_word("guarantee", "en")
    assert not is_stop_word("the", None)


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["en", "de", "xx", None]))
def test_coverage_is_a_share(question: str, text: str, language: str | None) -> None:
    for foreign in (True, False):
        held = coverages(content_words(question, [language]), [text, question], foreign=foreign)
        assert all(0 <= share <= 1 + 1e-9 for share in held)


def test_a_question_has_the_terms_of_every_language_it_can_be_answered_in() -> None:
    both = set(query_terms("Garantien guarantees", ["de", "en"]).indices)
    for language in ("de", "en"):
        assert set(query_terms("Garantien guarantees", [language]).indices) <= both
    assert set(document_terms("Die Garantie", "de").indices) & both


def test_an_unknown_language_is_read_without_stemming() -> None:
    assert document_terms("guarantees", "xx") == document_terms("guarantees", None)
    assert query_terms("guarantees", []) == query_terms("guarantees", [None])


def test_rare_words_weigh_more_than_repeated_ones_are_long() -> None:
    terms = document_terms("bell bell bell frame", "en")
    assert len(terms.indices) == len(terms.values) == 2
    assert all(value > 0 for value in terms.values)


class TestTheScope:
    def test_names_what_an_index_may_be_asked_for(self) -> None:
        assert Scope("t1").conditions() == {"tenant_id": "t1"}
        assert Scope("t1", "b1", "s1").conditions() == {
            "tenant_id": "t1",
            "bot_profile_id": "b1",
            "source_id": "s1",
        }

    @pytest.mark.parametrize("parts", [("",), ("t1", ""), ("t1", "b1", ""), ("", "b1")])
    def test_is_never_empty(self, parts: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="never asked without a tenant"):
            Scope(*parts)
