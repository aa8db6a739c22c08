"""Stemmed words of sentences, by Qdrant's own tokenizer and stemmers, and its stop words."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from services.chat.ports import Sparse

AVERAGE_LENGTH = 120
"""Words of a typical chunk; ranking hardly depends on it."""
STEMMED = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "hy": "armenian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}


def document_terms(text: str, language: str | None) -> Sparse:
    """Weighted terms of a chunk, stemmed in its language."""
    found = _bm25(language if language in STEMMED else None).embed_document(text)
    return Sparse(list(found.indices), list(found.values))


def query_terms(text: str, languages: Collection[str | None]) -> Sparse:
    """Terms of a question, in every language of the knowledge base.

    A few words are too little to tell their language; the languages they can be answered in are
    known.
    """
    weights: dict[int, float] = {}
    for language in {lang if lang in STEMMED else None for lang in languages} or {None}:
        found = _bm25(language).embed_query(text)
        for index, value in zip(found.indices, found.values, strict=True):
            weights[index] = max(value, weights.get(index, 0.0))
    return Sparse(list(weights), list(weights.values()))


def is_stop_word(word: str, language: str | None) -> bool:
    """Whether `word` carries no meaning in a language whose stop words are known."""
    return language in STEMMED and not _bm25(language).embed_query(word).indices


@lru_cache(maxsize=32)
def _bm25(language: str | None) -> Any:
    import qdrant_edge as q  # noqa: PLC0415  native code, loaded where it is used

    if language is None:
        config = q.Bm25Config(
            avg_len=AVERAGE_LENGTH,
            tokenizer=q.TokenizerType.Multilingual,
            stopwords=q.StopwordsSet(),
            stemmer=q.DisabledStemmer(),
        )
    else:
        config = q.Bm25Config(
            avg_len=AVERAGE_LENGTH,
            tokenizer=q.TokenizerType.Multilingual,
            language=STEMMED[language],
        )
    return q.Bm25(config)
