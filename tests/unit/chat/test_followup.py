"""Questions that lean on the ones before."""

import pytest

from services.chat.domain.followup import follows, standalone


@pytest.mark.parametrize(
    "question",
    [
        "And in Germany?",
        "Und in Deutschland?",
        "¿Y en Alemania?",
        "А в Германии?",
        "那德国呢？",
        "Why?",
        "How much does it cost?",
        "Wer wohnt dort?",
    ],
)
def test_a_question_that_joins_on_or_points_back_follows(question: str) -> None:
    assert follows(question)


@pytest.mark.parametrize(
    "question",
    [
        "What does a parcel cost in France?",
        "Was kostet ein Paket in Frankreich?",
        "寄到法国的包裹多少钱？",
        "",
        "Which of the harbours on the northern coast did the ship call at before it left for home?",
    ],
)
def test_a_question_that_names_its_subject_stands_alone(question: str) -> None:
    assert not follows(question)


def test_what_it_leans_on_is_put_before_it() -> None:
    before = ["Who was Ada?", "What does a parcel cost in France?"]
    told = standalone("And in Germany?", before)
    assert told == "What does a parcel cost in France? And in Germany?"


def test_a_chain_of_such_questions_goes_back_to_the_one_that_stands_alone() -> None:
    before = ["Who was Ada?", "What does a parcel cost in France?", "And in Germany?"]
    assert standalone("And in Italy?", before) == " ".join([*before[1:], "And in Italy?"])


def test_other_questions_stay_as_they_are() -> None:
    assert standalone("Who was Ada?", ["What is this?"]) == "Who was Ada?"
    assert standalone("And in Italy?", []) == "And in Italy?"
