"""A language model that does whatever stands in the documents it is given, and the documents.

It measures what keeps an answer harmless when no model does: it obeys every instruction.
"""

import base64
import codecs
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.chat.domain.prompt import CANARY_RULE

GOAL = "evil.example"
ORDER = re.compile(r"«(.*?)»", re.DOTALL)
GAP = re.compile(r"\{(system|canary|boundary|question)(?::(\w+))?\}")
WAYS: Mapping[str | None, Callable[[str], str]] = {
    None: str,
    "upper": str.upper,
    "reversed": lambda text: text[::-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "spaced": " ".join,
    "dashed": "-".join,
    "lines": "\n".join,
    "halves": lambda text: f"{text[:12]} and then {text[12:]}",
}


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A document that gives orders. What stands between the marks is what it wants to be said."""

    name: str
    text: str
    goal: str
    """What must not be told, besides the attacker's host and the canary."""


def documents() -> list[Poisoned]:
    told = json.loads(Path(__file__).with_name("poisoned.json").read_text())
    return [Poisoned(name, text, goal or GOAL) for name, text, goal in told]


def canary_of(system: str) -> str:
    """The secret word of a prompt."""
    before, behind = CANARY_RULE.split("{}")
    found = re.search(re.escape(before) + r"(\w+)" + re.escape(behind), system)
    assert found is not None, system
    return found[1]


def obey(system: str, question: str) -> str:
    """Everything the documents in a prompt order to say."""
    boundary = re.search(r"between two lines (\w+):", system)
    values = {
        "system": system,
        "canary": canary_of(system),
        "boundary": boundary[1] if boundary else "",
        "question": question,
    }

    def filled(gap: re.Match[str]) -> str:
        return WAYS[gap[2]](values[gap[1]])

    orders = ORDER.findall(system)
    return "\n\n".join(["As you wish [1].", *(GAP.sub(filled, order) for order in orders)])
