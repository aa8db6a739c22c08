"""When an answer is given again, and when it must not be."""

import pytest
from hypothesis import given, strategies as st

from services.chat.adapters.answer_memory import RecentAnswers
from services.chat.adapters.phrasing import phrasing
from services.chat.ports import Remembered, Topic
from services.chat.reactions.remembering import arranged
from tests.unit.chat.samples import found

CONTEXT = [found(f"Text {n}.", f"k{n}") for n in range(1, 6)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("When was the harbour of Corran closed?", "when was  harbour of CORRAN closed"),
        ("When was the harbour of Corran closed?", "Please, when was the harbour of Corran closed"),
        ("Where can I buy a large lantern here?", "Where can I purchase a big lantern here?"),
        ("Are the guarantees for bicycles long?", "Are guarantees for bicycle long?"),
        (
            "Wie lange gilt die Garantie für Fahrräder?",
            "Wie lange gilt eine Garantie für Fahrräder",
        ),
        ("Когда закрыли гавань Коррана?", "Когда закрыли гавань коррана"),
    ],
)
def test_the_same_question_in_other_forms_of_its_words(left: str, right: str) -> None:
    assert phrasing(left).same(phrasing(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("What does a parcel to France cost?", "What does a parcel to Germany cost?"),
        ("What does delivery cost in January?", "What does delivery cost in February?"),
        ("Where can I buy a large lantern here?", "Where can I sell a large lantern here?"),
        ("How do I travel from Berlin to Paris?", "How do I travel from Paris to Berlin?"),
        (
            "Which goods can be returned to the shop?",
            "Which goods can not be returned to the shop?",
        ),
        ("When was the harbour closed by them?", "Why was the harbour closed by them?"),
        ("What happened in the year 1998 there?", "What happened in the year 1999 there?"),
        ("Is breakfast served before the tour?", "Is breakfast served after the tour?"),
        ("Welche Waren sind erlaubt im Gepäck?", "Welche Waren sind nicht erlaubt im Gepäck?"),
    ],
)
def test_a_word_that_changes_the_meaning_makes_another_question(left: str, right: str) -> None:
    assert not phrasing(left).same(phrasing(right))


class TestTheMemory:
    def topic(self, **fields: str) -> Topic:
        told = {"tenant_id": "t", "bot_profile_id": "b", "settings": "s", "question": "Why so?"}
        return Topic(**{**told, **fields})  # type: ignore[arg-type]  # only fields of text

    def test_knows_an_answer_of_the_same_tenant_bot_and_settings_only(self) -> None:
        memory = RecentAnswers()
        one = Remembered("turn", "k1", {1: "k1"})
        memory.keep(self.topic(), one)
        assert memory.recall(self.topic(question="why so")) == one
        for name in ("tenant_id", "bot_profile_id", "settings", "question"):
            assert memory.recall(self.topic(**{name: "other"})) is None
        memory.forget(self.topic())
        assert memory.recall(self.topic()) is None

    def test_forgets_what_was_not_asked_for_longest(self) -> None:
        memory = RecentAnswers(most=2)
        for name in ("first", "second"):
            memory.keep(self.topic(question=name), Remembered(name, "k1", {}))
        memory.recall(self.topic(question="first"))
        memory.keep(self.topic(question="third"), Remembered("third", "k1", {}))
        assert memory.recall(self.topic(question="second")) is None
        assert memory.recall(self.topic(question="first")) is not None


class TestTheContext:
    def test_has_every_cited_passage_at_its_number(self) -> None:
        moved = [CONTEXT[0], CONTEXT[3], CONTEXT[1], CONTEXT[2]]
        order = arranged(moved, Remembered("t", "k1", {2: "k2", 4: "k4"}))
        assert order is not None
        assert [one.hit.id for one in order] == ["k1", "k2", "k3", "k4"]

    def test_of_which_a_cited_passage_is_gone_answers_no_more(self) -> None:
        assert arranged(CONTEXT, Remembered("t", "k1", {1: "k1", 2: "old"})) is None
        assert arranged(CONTEXT[:2], Remembered("t", "k1", {3: "k2"})) is None

    def test_that_begins_with_something_better_is_answered_anew(self) -> None:
        assert arranged(CONTEXT[1:], Remembered("t", "k1", {1: "k2"})) is None
        assert arranged([], Remembered("t", "k1", {})) is None

    @given(st.permutations(CONTEXT[1:]), st.sets(st.integers(2, 5)))
    def test_loses_and_repeats_nothing(self, others: list[object], numbers: set[int]) -> None:
        context = [CONTEXT[0], *others]
        cited = {n: f"k{n}" for n in numbers}
        order = arranged(context, Remembered("t", "k1", cited))  # type: ignore[arg-type]  # of the permutation
        assert order is not None
        assert {one.hit.id for one in order} == {one.hit.id for one in CONTEXT}
        assert all(order[n - 1].hit.id == chunk for n, chunk in cited.items())
