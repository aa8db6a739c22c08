"""How near a passage comes to a question's words where it says the same in others.

A ruler is near a king and an illness near a fever: each word of the question takes the passage's
word that is nearest to it by the vectors of the bundled model. The principle is that of ColBERT
(https://arxiv.org/abs/2004.12832), with static vectors of words in place of a model's.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from services.chat.adapters.evidence import terms_of
from services.chat.adapters.folding import RUN, WORD
from services.chat.adapters.lexical import pairs
from services.chat.adapters.stems import is_stop_word
from shared.adapters import static_embedder

REMEMBERED = 32_768
"""Words that are known to be stop words or not."""
REMEMBERED_TEXTS = 2_048
"""Texts whose words are known, at some kilobytes each."""


def kinships(
    words: Sequence[str],
    texts: Sequence[str],
    languages: Sequence[str | None],
    meanings: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[float]:
    """For each of `texts`, how near it comes to `words`, between 0 and 1.

    The mean over the words of the best cosine, weighed by how much a word means. Stop words of a
    text's language are near to everything and are left out.
    """
    terms = terms_of(words)
    if not terms or not texts:
        return [0.0] * len(texts)
    said_too = [(term, *meanings.get(term, ())) for term in terms]
    asked = static_embedder.words([word for one in said_too for word in one])
    starts = np.cumsum([0, *(len(one) for one in said_too[:-1])])
    meaning = np.array(static_embedder.weights(terms)) + 1e-6
    meaning /= meaning.sum()
    found = []
    for text, language in zip(texts, languages, strict=True):
        said = _meant(text, language)
        if not said:
            found.append(0.0)
            continue
        nearest = (asked @ static_embedder.words(said).T).max(axis=1)
        found.append(float(np.maximum(np.maximum.reduceat(nearest, starts), 0.0) @ meaning))
    return found


@lru_cache(REMEMBERED_TEXTS)
def _meant(text: str, language: str | None) -> tuple[str, ...]:
    """What a text says that means something: the same passages come up again and again."""
    return tuple(word for word in _said(text) if not _empty(word, language))


@lru_cache(REMEMBERED)
def _empty(word: str, language: str | None) -> bool:
    return is_stop_word(word, language)


def _said(text: str) -> list[str]:
    """The words of a text once each, as `terms_of` makes those of a question."""
    lowered = text.casefold()
    if lowered.isascii():
        return list(dict.fromkeys(WORD.findall(lowered)))
    said: list[str] = []
    for word in dict.fromkeys(WORD.findall(RUN.sub(r" \g<0> ", lowered))):
        said += pairs(word) if RUN.match(word) else [word]
    return list(dict.fromkeys(said))
