"""What words mean in other languages, from a small lexicon of our own (`lexicon.txt`).

A question in a language that no text is in finds names and words of common origin by their letters.
Everyday words are looked up here, one by one: that `Schlacht` is a battle no letter tells. A row of
the lexicon is a family of words that mean about the same, a column a language.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from services.chat.adapters.folding import RUN
from services.chat.adapters.stems import document_terms

LANGUAGES = ("en", "de", "es", "ru", "zh")
"""The columns of the lexicon."""
COMPOUNDING, UNSPACED = "de", "zh"
SHORTEST_PART = 4
"""Letters of a part of a compound; shorter words stand in longer ones by chance."""
JOINTS = ("", "s", "n", "en", "es", "er")
"""What German puts between two parts."""
PLURALS = ("s", "es")
LONGEST_RUN = 4
"""Characters of the longest Chinese word in the lexicon."""

Rows = tuple[tuple[tuple[str, ...], ...], ...]


def translations(word: str, spoken: str, wanted: Collection[str]) -> tuple[str, ...]:
    """Words of the languages `wanted` that mean about the same as `word` of the language `spoken`.

    None for a word that is not known. Of a compound, what its parts mean.
    """
    if spoken not in LANGUAGES:
        return ()
    rows = table()
    found = _found(word, spoken)
    if not found and spoken == COMPOUNDING:
        found = _parts(word)
    columns = [LANGUAGES.index(language) for language in LANGUAGES if language in wanted]
    return tuple(dict.fromkeys(said for n in found for one in columns for said in rows[n][one]))


def known_words(words: Sequence[str], spoken: str) -> list[str]:
    """`words`, but the known ones of runs of Chinese: what else stands there no other text has."""
    if spoken != UNSPACED:
        return list(words)
    runs = (list(_in_run(word)) if RUN.match(word) else [word] for word in words)
    return list(dict.fromkeys(word for run in runs for word in run)) or list(words)


def _in_run(run: str) -> Iterator[str]:
    """The known words in a run of Chinese, longest first from the left.

    Single characters are parts of names more often than words, unless they stand alone.
    """
    known, start = _known(UNSPACED), 0
    while start < len(run):
        sizes = range(min(LONGEST_RUN, len(run) - start), 1 if len(run) > 1 else 0, -1)
        size = next((size for size in sizes if run[start : start + size] in known), 0)
        if size:
            yield run[start : start + size]
        start += size or 1


def _parts(word: str) -> tuple[int, ...]:
    """The rows of both parts of a compound; else of a long last part, which tells what it is."""
    alone: tuple[int, ...] = ()
    for end in range(len(word) - SHORTEST_PART, SHORTEST_PART - 1, -1):
        last = _found(word[end:], COMPOUNDING)
        if not last:
            continue
        heads = (word[:end].removesuffix(joint) for joint in JOINTS)
        first = next((rows for head in heads if (rows := _found(head, COMPOUNDING))), ())
        if first:
            return (*first, *last)
        if len(word) - end > SHORTEST_PART:
            alone = last
    return alone


def _found(word: str, language: str) -> tuple[int, ...]:
    """The rows that have this word in some form; of some plurals the stemmer makes another stem."""
    known = _known(language)
    for form in (word, *(word.removesuffix(plural) for plural in PLURALS if word.endswith(plural))):
        if (rows := known.get(_key(form, language))) is not None:
            return rows
    return ()


@lru_cache(maxsize=1)
def table() -> Rows:
    text = Path(__file__).with_name("lexicon.txt").read_text(encoding="utf-8")
    return tuple(
        tuple(tuple(column.split()) for column in line.split("|")) for line in text.splitlines()
    )


@lru_cache(maxsize=len(LANGUAGES))
def _known(language: str) -> Mapping[object, tuple[int, ...]]:
    """Rows by the stems of their words in a language."""
    found: dict[object, list[int]] = {}
    for n, row in enumerate(table()):
        for word in row[LANGUAGES.index(language)]:
            rows = found.setdefault(_key(word, language), [])
            if n not in rows:
                rows.append(n)
    return {key: tuple(rows) for key, rows in found.items()}


def _key(word: str, language: str) -> object:
    """The word's stem, or a word without one itself."""
    lowered = word.casefold()
    if RUN.match(lowered):
        return lowered
    stems = document_terms(lowered, language).indices
    return stems[0] if stems else lowered
