"""Questions that only make sense after the one before: `and in Germany?`"""

import re
from collections.abc import Sequence

LONGEST = 12
"""Words; a longer question says what it is about."""
SHORTEST = 2
"""Words up to which a question in a conversation belongs to the one before: `Why?`"""
WORDS = re.compile(r"[^\W_]+")
JOIN = {
    "de": "und aber oder also dann auch sowie",
    "en": "and but or so then also",
    "es": "y e o pero entonces también",
    "fr": "et ou mais alors aussi",
    "it": "ma allora anche",
    "nl": "en maar dus ook",
    "pl": "i a ale lub",
    "pt": "mas então também",
    "ru": "а и но или тогда также",
    "sv": "och men så",
    "tr": "ve ama peki",
}
POINT = {
    "de": "er ihm ihn dessen deren dort davon dafür daran darauf daraus dieser dieses diesem "
    "diesen jene jener jenes",
    "en": "it its they them their these those he him his she her",
    "es": "ello ellos ellas eso esa ese esos esas esto allí ahí",
    "fr": "celui celle ceux celles cela ça elles ils lui leur",
    "it": "esso essi questo questa quello quella lì",
    "nl": "dat dit deze daar",
    "pt": "isto isso ele ela eles elas seu sua",
    "ru": "он она оно они его её ему ей их им это этот эта эти тот там туда",
    "tr": "onu bu bunlar",
}
JOINING = frozenset(word for words in JOIN.values() for word in words.split())
"""Words that go on from what was said, if they come first."""
POINTING = frozenset(word for words in POINT.values() for word in words.split())
"""Words that stand for something named before, as far as they have no other common meaning."""
UNSPACED_OPENINGS = (
    "那",
    "还有",
    "另外",
    "它",
    "他",
    "她",
    "这",
    "それ",
    "これ",
    "では",
    "그",
    "이것",
)


def follows(question: str) -> bool:
    """Whether the question leans on the conversation before it."""
    words = WORDS.findall(question.casefold())
    if question.lstrip().startswith(UNSPACED_OPENINGS):
        return True
    if not words or len(words) > LONGEST:
        return False
    if len(words) <= SHORTEST and len(question) <= len(words) * LONGEST:
        return not _is_unspaced(question)
    return words[0] in JOINING or bool(POINTING & set(words))


def standalone(question: str, asked_before: Sequence[str]) -> str:
    """The question with what it leans on: the questions before it, back to one that stands alone.

    The words of the question itself come last, where they stand beside those they go with.
    """
    if not follows(question):
        return question
    leaned: list[str] = []
    for before in reversed(asked_before):
        leaned.insert(0, before)
        if not follows(before):
            break
    return " ".join([*leaned, question])


def _is_unspaced(question: str) -> bool:
    return any("\u2e80" <= letter <= "\u9fff" for letter in question)
