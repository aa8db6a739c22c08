"""Notices when an answer gives away a word that stands in the prompt for this purpose only."""

import base64
import codecs
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator

GRAM = 12
"""So many characters of the word in a row are a leak; a chance of one in 2**48 for hexadecimals."""
BEGINNING = 3
"""Few words of a language begin with so many characters of a gram."""
ASIDE = {code: None for code in range(128) if not chr(code).isalnum()}
"""What `str.translate` takes out: neither letters nor digits."""


class CanaryWatch:
    """Lets an answer through, piece by piece, up to where a canary begins.

    Letters and digits alone count, in small: blanks, marks and lines between them hide nothing.
    The word is also known from behind, turned by ROT13, in hexadecimals and in Base64.
    """

    def __init__(self, *words: str) -> None:
        forms = {form for word in words for form in _forms(word)}
        self._grams = {gram for form in forms for gram in _grams(form)}
        self._in_order = sorted(self._grams)
        """To find how one begins: a set of all beginnings costs a turn a millisecond."""
        self._beginnings = {gram[:BEGINNING] for gram in self._in_order}
        self._held = ""
        self.leaked = False

    def feed(self, piece: str) -> str:
        """What can be told of the answer so far. Nothing more once it has leaked."""
        if self.leaked:
            return ""
        text = self._held + piece
        word = _word(text)
        for n in range(len(word) - GRAM + 1):
            if word[n : n + GRAM] in self._grams:
                self.leaked = True
                self._held = ""
                return text[: _place(text, n - len(word))]
        longest = min(GRAM - 1, len(word))
        begun = next((n for n in range(longest, 0, -1) if self._begins(word[-n:])), 0)
        ready = _place(text, -begun) if begun else len(text)
        self._held = text[ready:]
        return text[:ready]

    def _begins(self, letters: str) -> bool:
        """Whether a gram begins like this."""
        if len(letters) >= BEGINNING and letters[:BEGINNING] not in self._beginnings:
            return False
        at = bisect_left(self._in_order, letters)
        return at < len(self._in_order) and self._in_order[at].startswith(letters)

    def rest(self) -> str:
        """What was held back, at the end of the answer."""
        text, self._held = self._held, ""
        return text


def _word(text: str) -> str:
    """Letters and digits of a text in small."""
    if text.isascii():
        return text.lower().translate(ASIDE)
    return "".join(letter for letter, _ in _letters(text))


def _place(text: str, n: int) -> int:
    """Where letter `n` of `_word(text)` stands in the text; `n` counts from the end, from -1."""
    if not text.isascii():
        return [at for _, at in _letters(text)][n]
    at = len(text)
    while n:
        at -= 1
        n += text[at].isalnum()
    return at


def _letters(text: str) -> Iterator[tuple[str, int]]:
    """Letters and digits in small, each with its place."""
    for at, character in enumerate(text):
        if character.isascii():
            if character.isalnum():
                yield character.lower(), at
            continue
        for plain in unicodedata.normalize("NFKC", character):
            if plain.isalnum():
                yield plain.lower(), at


def _grams(form: str) -> Iterator[str]:
    return (form[n : n + GRAM] for n in range(len(form) - GRAM + 1))


def _forms(word: str) -> Iterator[str]:
    """How the word can be written, as letters and digits in small."""
    for plain in (word.lower(), word.upper()):
        for turned in (plain, plain[::-1]):
            raw = turned.encode()
            told = [turned, codecs.encode(turned, "rot13"), raw.hex()]
            # In Base64 it looks in one of three ways, by what stands before it.
            told += [base64.b64encode(b"\0" * n + raw).decode()[n + 1 :] for n in range(3)]
            yield from map(_word, told)
