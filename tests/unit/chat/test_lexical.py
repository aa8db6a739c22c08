"""Terms of texts in any language, and how much of a question a passage holds."""

import pytest
from hypothesis import given, strategies as st

from services.chat.adapters.lexical import coverage, document_terms, query_terms
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
    assert coverage(question, right, language) >= 0.5
    assert coverage(question, wrong, language) < 0.3


def test_words_are_compared_by_their_stems() -> None:
    assert coverage("guarantees", "A guarantee.", "en") == 1
    assert coverage("Garantien", "Die Garantie.", "de") == 1
    assert coverage("guarantees", "A guarantee.", None) == 0


def test_stop_words_do_not_count() -> None:
    assert coverage("what is the guarantee", "guarantee", "en") == 1


def test_case_does_not_matter() -> None:
    assert coverage("GUARANTEE", "guarantee", "en") == 1


@pytest.mark.parametrize("question", ["", " ", "?!", "the of and"])
def test_a_question_without_terms_is_covered_by_nothing(question: str) -> None:
    assert coverage(question, "anything at all", "en") == 0


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["en", "de", "xx", None]))
def test_coverage_is_a_share(question: str, text: str, language: str | None) -> None:
    assert 0 <= coverage(question, text, language) <= 1
    if coverage(question, "", language) == 0:
        assert coverage(question, question, language) in (0, 1)


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
