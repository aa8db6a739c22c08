"""Notices when an answer gives away a word that stands in the prompt for this purpose only."""

import base64
import codecs
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator

GRAM = 12
"""So many characters of the word in a row are a leak; a chance of one in 2**48 for hexadecimals."""


class CanaryWatch:
    """Lets an answer through, piece by piece, up to where a canary begins.

    Letters and digits alone count, in small: blanks, marks and lines between them hide nothing.
    The word is also known from behind, turned by ROT13, in hexadecimals and in Base64.
    """

    def __init__(self, *words: str) -> None:
        self._grams = {gram for word in words for form in _forms(word) for gram in _grams(form)}
        self._in_order = sorted(self._grams)
        """To find how one begins: a set of all beginnings costs a turn a millisecond."""
        self._held = ""
        self.leaked = False

    def feed(self, piece: str) -> str:
        """What can be told of the answer so far. Nothing more once it has leaked."""
        if self.leaked:
            return ""
        text = self._held + piece
        letters = list(_letters(text))
        word = "".join(letter for letter, _ in letters)
        for n in range(len(word) - GRAM + 1):
            if word[n : n + GRAM] in self._grams:
                self.leaked = True
                self._held = ""
                return text[: letters[n][1]]
        longest = min(GRAM - 1, len(word))
        begun = next((n for n in range(longest, 0, -1) if self._begins(word[-n:])), 0)
        ready = letters[-begun][1] if begun else len(text)
        self._held = text[ready:]
        return text[:ready]

    def _begins(self, letters: str) -> bool:
        """Whether a gram begins like this."""
        at = bisect_left(self._in_order, letters)
        return at < len(self._in_order) and self._in_order[at].startswith(letters)

    def rest(self) -> str:
        """What was held back, at the end of the answer."""
        text, self._held = self._held, ""
        return text


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
            for form in told:
                yield "".join(letter for letter, _ in _letters(form))
