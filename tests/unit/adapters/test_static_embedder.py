"""The bundled embedder: unit vectors, the same each time, and near where the meaning is near."""

import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wordllama

from shared.adapters import static_embedder
from shared.adapters.static_embedder import DIMENSION, REMEMBERED, embed, similarity


def test_vectors_have_the_length_of_one_and_the_dimension_they_say() -> None:
    vectors = embed(["A bicycle.", "東京", "x" * 5000])
    for vector in vectors:
        numbers = struct.unpack(f"<{DIMENSION}f", vector)
        assert sum(number * number for number in numbers) == pytest.approx(1, abs=1e-3)


def test_the_same_text_has_the_same_vector_alone_or_among_others() -> None:
    alone = embed(["The guarantee lasts seven years."])[0]
    among = embed(["Rain.", "The guarantee lasts seven years.", "A much longer text " * 20])[1]
    assert similarity(alone, among) == pytest.approx(1, abs=1e-5)


def test_what_means_alike_is_nearer_than_what_does_not() -> None:
    question, answer, other = embed(
        ["How long is the guarantee?", "The warranty lasts seven years.", "Bananas are yellow."]
    )
    assert similarity(question, answer) > similarity(question, other) + 0.1


def test_nothing_is_embedded_to_nothing() -> None:
    assert embed([]) == []


def test_a_text_without_words_is_like_nothing() -> None:
    empty, other = embed(["", "A bicycle."])
    assert similarity(empty, other) == similarity(empty, empty) == 0
    assert similarity(other, other) == pytest.approx(1, abs=1e-5)


def test_a_model_that_was_loaded_is_not_read_when_the_first_text_comes() -> None:
    static_embedder._model.cache_clear()
    static_embedder.load()
    assert static_embedder._model.cache_info().currsize == 1
    embed(["A bridge."])
    assert static_embedder._model.cache_info().misses == 1


def test_words_come_out_alike_however_many_are_asked_for() -> None:
    wanted = ["bridge", "river", "bridge"]
    few = static_embedder.words(wanted)
    assert few.shape == (3, DIMENSION)
    assert (few[0] == few[2]).all()
    many = static_embedder.words([*(f"w{n}" for n in range(REMEMBERED)), *wanted])
    assert many.shape == (REMEMBERED + 3, DIMENSION)
    assert many[-3:] == pytest.approx(few, abs=1e-6)
    assert static_embedder.words([]).shape == (0, DIMENSION)


@pytest.mark.parametrize(
    "text",
    [
        "The guarantee lasts seven years.",
        "two  blanks   and a last one ",
        "lines\n\nof a\n list\n",
        "\ttabs, a no\u00a0break blank, and ▁ itself",
        "東京は日本の首都です。" * 20,
        "x" * 5000,
        " ".join(f"word{n}" for n in range(2000)),
    ],
)
def test_vectors_are_those_of_the_models_own_library(text: str) -> None:
    folder = Path(wordllama.__file__).parent
    theirs = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    [vector] = theirs.embed([text], norm=True)
    for _ in range(2):  # of new words, and of those that are kept
        assert struct.unpack(f"<{DIMENSION}f", embed([text])[0]) == pytest.approx(vector, abs=1e-5)


def test_vectors_are_the_same_when_more_words_came_than_are_kept() -> None:
    before = embed(["The guarantee lasts seven years."])
    embed([" ".join(f"{n}" for n in range(REMEMBERED + 1))])
    assert embed(["The guarantee lasts seven years."]) == before


def test_threads_do_not_disturb_each_other() -> None:
    texts = [" ".join(f"{n} {m}" for m in range(400)) for n in range(60)]
    alone = [embed([text]) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            assert list(threads.map(lambda text: embed([text]), texts)) == alone
