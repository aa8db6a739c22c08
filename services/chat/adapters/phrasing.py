"""When two questions ask the same, whatever the forms of their words.

A false likeness would give a wrong answer, so: the words that carry meaning must be the same one by
one, up to inflection, or in English of one meaning; and those that ask, deny and relate (`when`,
`not`, `without`) exactly the same.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache

from services.chat.adapters.folding import WORD, fold
from services.chat.adapters.questions import content_words
from services.chat.adapters.stems import document_terms
from shared.adapters import language, static_embedder

ARTICLES = {
    "de": "der die das den dem des ein eine einen einem einer eines bitte",
    "en": "a an the please",
    "es": "el la los las un una por favor",
    "fr": "le la les un une",
    "it": "il lo la gli le un uno una",
    "nl": "de het een",
    "ru": "пожалуйста",
}
FILLING = frozenset(word for words in ARTICLES.values() for word in words.split())
"""Articles and courtesies: without them a question asks the same."""
ONE_MEANING = 0.7
"""Cosine of two English words from which they mean the same. Measured on 55 pairs: `buy` and
`purchase` .79, `phone` and `telephone` .73; `january` and `february` .65, opposites below .5."""
VECTORS_OF = "en"
"""The language whose words the static vectors tell apart."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """What a question asks: how it asks, and the words that carry its meaning, in their order."""

    frame: tuple[str, ...]
    stems: tuple[Hashable, ...]
    vectors: tuple[bytes, ...]

    def same(self, other: "Phrasing") -> bool:
        """Whether the other asks the same."""
        return (
            self.frame == other.frame
            and len(self.stems) == len(other.stems)
            and all(
                self.stems[n] == other.stems[n] or self._alike(other, n)
                for n in range(len(self.stems))
            )
        )

    def _alike(self, other: "Phrasing", n: int) -> bool:
        if not self.vectors or not other.vectors:
            return False
        return static_embedder.similarity(self.vectors[n], other.vectors[n]) >= ONE_MEANING


@lru_cache(1024)
def phrasing(question: str) -> Phrasing:
    """How `question` asks what."""
    spoken = language.detect(question)
    content = content_words(question, [spoken])
    meaning = [word for word in content if word not in FILLING]
    others = (word for word in WORD.findall(question.casefold()) if word not in content)
    return Phrasing(
        frame=tuple(sorted(word for word in others if word not in FILLING)),
        stems=tuple(_stem(word, spoken) for word in meaning),
        vectors=tuple(static_embedder.embed(meaning)) if spoken == VECTORS_OF and meaning else (),
    )


def _stem(word: str, spoken: str | None) -> Hashable:
    """The word's stem; what has none, as numbers do, is itself in folded spelling."""
    stems = () if spoken is None else tuple(document_terms(word, spoken).indices)
    return stems or fold(word)
