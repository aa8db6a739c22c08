"""`local/extractive`: an honest answerer without a model. It quotes the best sentences it is given.

Sentences are scored by the question's terms they hold, each weighed by how rare it is among the
passages, and by the rank of their passage. Nothing is rephrased, so nothing can be made up.
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from sentencex import segment
from typing_extensions import override

from services.chat.adapters.stems import document_terms, query_terms
from services.chat.domain.prompt import Passage
from services.chat.ports import LanguageModel, Prompt, Spent, Text

NAME = "local/extractive"
MOST_SENTENCES = 3
MOST_CHARACTERS = 700
SHORTEST = 20
WORTH = 0.45
"""Share of the best sentence's score that a further one must reach."""
ALIKE = 0.7
RANK_DECAY = 0.85
PIECE = re.compile(r"\S+\s*")
MARKUP = re.compile(
    r"^\s*(#{1,6}\s+|[-*+]\s+|\d+[.)]\s+|>\s+|\|)|\|\s*$|`{1,3}|\*\*|__", re.MULTILINE
)
FOOTNOTE = re.compile(r"\[\d{1,3}\]")
"""A number in brackets is the text's own footnote; in an answer it would pass for a citation."""
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
HEADING = re.compile(r"\s*#{1,6}\s")
RULER = re.compile(r"\s*\|[\s:|-]+\|?\s*$")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, the terms in it, and where it stands."""

    text: str
    terms: frozenset[int | str]
    """Stems as numbers, and numbers as texts: stems leave those out."""
    passage: Passage
    place: int


class ExtractiveModel(LanguageModel):
    """The `LanguageModel` that needs no key and no network."""

    @override
    def name(self, prompt: Prompt) -> str:
        return NAME

    @override
    async def stream(self, prompt: Prompt) -> AsyncGenerator[Text | Spent, None]:
        answer = await asyncio.to_thread(extract, prompt.question, prompt.passages)
        for piece in PIECE.findall(answer):
            yield Text(piece)
        read = sum(len(passage.text.split()) for passage in prompt.passages)
        # Nothing is billed here; words stand for tokens so that usage can still be compared.
        yield Spent(NAME, read + len(prompt.question.split()), len(answer.split()))


def extract(question: str, passages: Sequence[Passage]) -> str:
    """The best sentences of `passages` for `question`, quoted with their numbers.

    One to three, at most about 700 characters, in the order they stand in.
    """
    languages = {passage.language for passage in passages}
    wanted = frozenset([*query_terms(question, languages).indices, *NUMBER.findall(question)])
    # Where there is nothing but scraps, a scrap is the answer.
    sentences = sentences_in(passages) or sentences_in(passages, scraps=True)
    if not sentences:
        return ""
    seen = Counter(term for sentence in sentences for term in sentence.terms & wanted)
    total = len(sentences)
    weight = {term: math.log(1 + total / count) for term, count in seen.items()}
    ranked = sorted(sentences, key=lambda s: score(s, weight), reverse=True)
    chosen = choose(ranked, weight)
    chosen.sort(key=lambda s: (s.passage.n, s.place))
    return " ".join(f"{sentence.text} [{sentence.passage.n}]" for sentence in chosen)


def sentences_in(passages: Sequence[Passage], *, scraps: bool = False) -> list[Sentence]:
    """All sentences, in order; with `scraps`, all there is to read."""
    return [
        Sentence(text, terms_of(text, passage), passage, place)
        for passage in passages
        for place, text in enumerate(sentences_of(passage, scraps=scraps))
    ]


def score(sentence: Sentence, weight: dict[int | str, float]) -> float:
    """How much of the question the sentence holds, in which passage, and how tersely."""
    found = sum(weight.get(term, 0.0) for term in sentence.terms)
    length = 1 + len(sentence.text) / 1000
    return found * RANK_DECAY ** (sentence.passage.n - 1) / length


def choose(ranked: Sequence[Sentence], weight: dict[int | str, float]) -> list[Sentence]:
    best = score(ranked[0], weight)
    chosen = [ranked[0]]
    size = len(ranked[0].text)
    for sentence in ranked[1:]:
        if len(chosen) == MOST_SENTENCES or score(sentence, weight) < WORTH * best:
            break
        if best == 0 or size + len(sentence.text) > MOST_CHARACTERS:
            continue
        if any(alike(sentence, other) for other in chosen):
            continue
        chosen.append(sentence)
        size += len(sentence.text)
    return chosen


def alike(left: Sentence, right: Sentence) -> bool:
    """Whether two sentences say the same in nearly the same words (Jaccard)."""
    union = left.terms | right.terms
    return bool(union) and len(left.terms & right.terms) / len(union) > ALIKE


def terms_of(text: str, passage: Passage) -> frozenset[int | str]:
    return frozenset([*document_terms(text, passage.language).indices, *NUMBER.findall(text)])


def sentences_of(passage: Passage, *, scraps: bool = False) -> list[str]:
    """Readable sentences of a passage, Markdown's marks taken off.

    Headings and what is too short to say something are left out, unless `scraps` are wanted.
    """
    found = []
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)]|#{1,6}|\|)\s)", passage.text):
        if RULER.match(block) or (HEADING.match(block) and not scraps):
            continue
        plain = " ".join(
            MARKUP.sub("", LINK.sub(r"\1", FOOTNOTE.sub("", block))).replace("|", " · ").split()
        )
        for sentence in segment(passage.language or "en", plain):
            cleaned = sentence.strip()
            if len(cleaned) >= (1 if scraps else SHORTEST):
                found.append(cleaned)
    return found
