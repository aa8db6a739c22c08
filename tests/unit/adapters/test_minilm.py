"""The embedder of the extra `minilm`: unit vectors, and near where the meaning is near."""

import struct

import pytest

from shared.adapters.minilm import BATCH, DIMENSION, embed, is_installed
from shared.adapters.static_embedder import similarity


def test_it_is_installed_with_what_the_tests_need() -> None:
    assert is_installed()


def test_vectors_have_the_length_of_one_and_the_dimension_they_say() -> None:
    for vector in embed(["A bicycle.", "", "word " * 1000]):
        numbers = struct.unpack(f"<{DIMENSION}f", vector)
        assert sum(number * number for number in numbers) == pytest.approx(1, abs=1e-3)


def test_the_same_text_has_the_same_vector_alone_or_among_others() -> None:
    texts = [f"Lantern number {n} burns." for n in range(BATCH)]
    text = "The guarantee lasts seven years."
    alone, among = embed([text])[0], embed([*texts, text])[BATCH]
    assert similarity(alone, among) == pytest.approx(1, abs=0.01)


def test_what_means_alike_is_nearer_than_what_does_not() -> None:
    question, answer, other = embed(
        ["How long is the guarantee?", "The warranty lasts seven years.", "Bananas are yellow."]
    )
    assert similarity(question, answer) > similarity(question, other) + 0.3


def test_nothing_is_embedded_to_nothing() -> None:
    assert embed([]) == []
