"""Answers given lately, in this process: which turn gave them, and what they cite."""

from collections import OrderedDict
from collections.abc import Hashable

from typing_extensions import override

from services.chat.adapters.phrasing import Phrasing, phrasing
from services.chat.ports import AnswerMemory, Remembered, Topic

MOST = 5000
"""Answers that are remembered, some 20 MB; the ones not asked for longest are forgotten."""


class RecentAnswers(AnswerMemory):
    """Keeps no text of an answer: that stays in the chat it was said in."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[Hashable, Phrasing], Remembered] = OrderedDict()
        self._asked: dict[Hashable, list[Phrasing]] = {}
        """The phrasings that can be the same, by what must be equal in them."""

    @override
    def recall(self, topic: Topic) -> Remembered | None:
        found = self._find(topic)
        if found is None:
            return None
        self._kept.move_to_end(found)
        return self._kept[found]

    @override
    def keep(self, topic: Topic, remembered: Remembered) -> None:
        self.forget(topic)
        place, asked = _place(topic)
        self._kept[place, asked] = remembered
        self._asked.setdefault(place, []).append(asked)
        if len(self._kept) > self._most:
            self._drop(next(iter(self._kept)))

    @override
    def forget(self, topic: Topic) -> None:
        found = self._find(topic)
        if found is not None:
            self._drop(found)

    def _find(self, topic: Topic) -> tuple[Hashable, Phrasing] | None:
        place, asked = _place(topic)
        for known in self._asked.get(place, ()):
            if known.same(asked):
                return place, known
        return None

    def _drop(self, found: tuple[Hashable, Phrasing]) -> None:
        place, asked = found
        del self._kept[found]
        self._asked[place].remove(asked)
        if not self._asked[place]:
            del self._asked[place]


def _place(topic: Topic) -> tuple[Hashable, Phrasing]:
    asked = phrasing(topic.question)
    of = topic.tenant_id, topic.bot_profile_id, topic.settings, topic.languages
    return (*of, asked.frame, len(asked.stems)), asked
