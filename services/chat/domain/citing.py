"""Which passages an answer cites, written one way, while the answer is still coming.

Models cite in several ways (`[1, 2]`, `【1】`, `[^1]`) and now and then a passage they were never
given. Readers get `[1][2]`, and no number that leads nowhere.
"""

import re
from collections.abc import Collection

LONGEST = 40
"""Characters that a mark may have; an opened bracket with more behind it is text."""
MARK = re.compile(r"([ \t]*)[\[【]\s*(\^?[0-9]{1,3}(?:\s*[,;]\s*\^?[0-9]{1,3})*)\s*[\]】]")
OPENING = re.compile(r"[\[【]")
"""Begins every mark. To look for it first spares most texts the search for blanks before one."""
BEGUN = re.compile(rf"(?:`+|[ \t]*(?:[\[【][\s\^0-9,;]{{0,{LONGEST}}})?)$")
NUMBER = re.compile(r"[0-9]+")
FENCE = 3
"""Backticks from which code may go over several lines."""
EDGES = re.compile(r"(`+|\n)")


class CitationFilter:
    """Takes out of an answer, piece by piece, the numbers of passages that it was not given.

    What stands between backticks is code and left alone: `row[0]` cites nothing.
    """

    def __init__(self, known: Collection[int]) -> None:
        self._known = known
        self._held = ""
        self._code = ""
        """The backticks that opened the code in which the answer is."""

    def feed(self, piece: str) -> str:
        """What can be told of the answer so far; the beginning of a mark is held back."""
        text = self._held + piece
        begun = BEGUN.search(text)
        ready = len(text) if begun is None else begun.start()
        self._held = text[ready:]
        return self._clean(text[:ready])

    def rest(self) -> str:
        """What was held back, at the end of the answer."""
        text, self._held = self._held, ""
        return self._clean(text)

    def _clean(self, text: str) -> str:
        cleaned = []
        for segment in EDGES.split(text):
            if segment.startswith("`"):
                if not self._code:
                    self._code = segment
                elif self._code == segment:
                    self._code = ""
            elif segment == "\n" and len(self._code) < FENCE:
                self._code = ""
            marked = not self._code and OPENING.search(segment)
            cleaned.append(MARK.sub(self._mark, segment) if marked else segment)
        return "".join(cleaned)

    def _mark(self, mark: re.Match[str]) -> str:
        numbers = [int(number) for number in NUMBER.findall(mark[2])]
        kept = "".join(f"[{number}]" for number in numbers if number in self._known)
        return mark[1] + kept if kept else ""
