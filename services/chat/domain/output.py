"""The way of an answer from the model to its readers: everything that must not pass is taken out.

Deterministic, and on what is told as it is on what is stored, for both are the same text.
"""

import re
from collections.abc import Collection

from services.chat.domain.canary import CanaryWatch
from services.chat.domain.citing import CitationFilter
from services.chat.domain.links import AddressFilter, Links
from services.chat.domain.markup import MarkupFilter

INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\u00ad\u180e\u200b\u2060-\u2064\u202a-\u202e\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
"""Characters that nobody sees: they hide words, turn them round, carry text of their own, or end a
line for some renderers only."""


class OutputFilter:
    """A canary stops the answer; unknown citations, foreign links and images are taken out."""

    def __init__(self, known: Collection[int], links: Links, *canaries: str) -> None:
        self._watch = CanaryWatch(*canaries)
        self._cited = CitationFilter(known)
        self._markup = MarkupFilter(links)
        self._addresses = AddressFilter(links)

    @property
    def leaked(self) -> bool:
        """Whether the model gave away what it must not: then nothing more is told."""
        return self._watch.leaked

    def feed(self, piece: str) -> str:
        """What can be told of the answer so far."""
        return self._pass(self._watch.feed(piece))

    def rest(self) -> str:
        """What was held back, at the end of the answer."""
        told = self._pass(self._watch.rest())
        told += self._addresses.feed(self._markup.feed(self._cited.rest()))
        told += self._addresses.feed(self._markup.rest())
        return told + self._addresses.rest()

    def _pass(self, text: str) -> str:
        seen = INVISIBLE.sub("", text)
        return self._addresses.feed(self._markup.feed(self._cited.feed(seen)))
