"""Kinship: a passage that says the same in other words comes near."""

import pytest

from services.chat.adapters.kinship import kinships


def test_a_passage_with_words_of_like_meaning_is_nearer_than_another() -> None:
    texts = ["The king was ill with a fever.", "The train leaves at nine o'clock."]
    near, far = kinships(["ruler", "illness"], texts, ["en", "en"])
    assert near > far + 0.1


def test_the_same_words_are_as_near_as_can_be() -> None:
    assert kinships(["bridge"], ["A bridge."], ["en"]) == [pytest.approx(1, abs=1e-3)]


def test_stop_words_of_the_language_come_near_to_nothing() -> None:
    assert kinships(["bridge"], ["It was then and there."], ["en"]) == [0.0]


def test_words_are_found_where_none_are_parted() -> None:
    near, far = kinships(["奶酪"], ["这种奶酪很硬。", "今天下雨。"], ["zh", "zh"])
    assert near > far


def test_without_a_word_or_a_text_nothing_is_near() -> None:
    assert kinships([], ["text"], ["en"]) == [0.0]
    assert kinships(["word"], [""], [None]) == [0.0]
    assert kinships(["word"], [], []) == []
