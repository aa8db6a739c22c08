"""A change in a document moves no cut but those beside it."""

import random

import pytest

from shared.adapters.chunking import SPARE, split
from shared.adapters.text import normalise

LIMIT = 1000


def paragraph(numbers: random.Random) -> str:
    """Sentences of words that occur nowhere else."""
    return " ".join(
        f"{' '.join(str(numbers.randrange(10**6)) for _ in range(numbers.randint(6, 18)))}."
        for _ in range(numbers.randint(1, 9))
    )


def divided(text: str, before: list[str] | None = None) -> list[str]:
    return [text[c.start : c.end] for c in split(text, LIMIT, 0, before=before or [])]


@pytest.mark.parametrize("between", ["\n\n", "\n", " "], ids=["paragraphs", "lines", "one line"])
@pytest.mark.parametrize("seed", range(3))
def test_one_changed_paragraph_makes_at_most_three_new_chunks(between: str, seed: int) -> None:
    numbers = random.Random(seed)  # noqa: S311  no secret
    paragraphs = [paragraph(numbers) for _ in range(520)]
    before = divided(normalise(between.join(paragraphs)))
    assert len(before) >= 200
    for _ in range(20):
        place = numbers.randrange(len(paragraphs))
        changed = [*paragraphs[:place], paragraph(numbers), *paragraphs[place + 1 :]]
        text = normalise(between.join(changed))
        after = divided(text, before)
        assert len(set(after) - set(before)) <= 3
        assert "".join("".join(after).split()) == "".join(text.split())
        assert max(map(len, after)) <= LIMIT


def test_the_same_text_gives_the_same_chunks() -> None:
    numbers = random.Random(1)  # noqa: S311  no secret
    text = normalise("\n\n".join(paragraph(numbers) for _ in range(50)))
    assert divided(text, divided(text)) == divided(text)


def test_after_many_changes_there_are_not_many_more_chunks_than_needed() -> None:
    numbers = random.Random(7)  # noqa: S311  no secret
    paragraphs = [paragraph(numbers) for _ in range(100)]
    before = divided(" ".join(paragraphs))
    for _ in range(200):
        paragraphs[numbers.randrange(len(paragraphs))] = paragraph(numbers)
        text = normalise(" ".join(paragraphs))
        before = divided(text, before)
        assert len(before) <= len(divided(text)) * SPARE + 1


def test_an_old_chunk_is_not_kept_over_a_new_heading() -> None:
    text = " ".join(f"This is sentence number {n} of the document." for n in range(18))
    (before,) = divided(text)
    middle = text.index("This is sentence number 9 ")
    headed = normalise(f"{text[:middle]}\n\n# Heading\n\n{text[middle:]}")
    chunks = split(headed, LIMIT, 0, before=[before])
    assert [chunk.heading for chunk in chunks] == [None, "Heading"]


def test_pages_cut_old_chunks_too() -> None:
    text = " ".join(f"This is sentence number {n} of the document." for n in range(18))
    second = text.index("This is sentence number 9 ")
    chunks = split(text, LIMIT, 0, pages=[(0, 1), (second, 2)], before=[text])
    assert [chunk.start for chunk in chunks] == [0, second]
