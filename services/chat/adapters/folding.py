"""One spelling for words that are written differently but are the same, in many languages.

Accents go, Greek and Cyrillic letters become Latin ones, and spellings that differ between
languages with common roots become one: `Philosophie` and `filosofía`, `Indonesia` and `Индонезия`
then share most of their letters. That lets names and loan words be found across languages without
a model. Measured in `docs/adr` (lexical scheme).
"""

import re
import unicodedata
from functools import lru_cache
from string import ascii_lowercase

CJK = "\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts that put no blank between words: Han and both Kana."""
WORD = re.compile(r"(?:[^\W_]++|[\u0900-\u0963\u0966-\u109f\u1780-\u17ff]++)+")
"""Letters and digits; in Indic and other scripts of South Asia also the signs for vowels."""
RUN = re.compile(f"[{CJK}]+")
CYRILLIC = dict(zip("абвгґдезийклмнопрстуфыэіїє", "abvggdeziiklmnoprstufieiie", strict=True))
CYRILLIC |= {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sh", "ю": "iu", "я": "ia"}
GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψως", "avgdezitiklmnxoprstifhpos", strict=True))
MARKS = dict.fromkeys([*range(0x300, 0x370), *range(0x591, 0x5C8), *range(0x64B, 0x660)])
"""Accents, and the vowel points of Hebrew and Arabic."""
SILENT = dict.fromkeys("ъь", "")
LETTERS = str.maketrans(
    {**CYRILLIC, **SILENT, **GREEK, "ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"}
)
COMMON = str.maketrans("zyw", "siv")
SPELLINGS = (
    *(("ph", "f"), ("th", "t"), ("ck", "k")),
    *((f"c{after}", f"k{after}") for after in "aoulrt"),
)
DOUBLED = tuple((2 * letter, letter) for letter in ascii_lowercase)
BETWEEN = {number: " " for number in range(128) if not chr(number).isalnum()}
"""Of ASCII, what is in no word."""
REMEMBERED = 4096
"""Chunks that are kept folded, some 4 MB: the same ones are found again and again."""


@lru_cache(REMEMBERED)
def fold(text: str) -> str:
    """`text` in folded spelling: words between single blanks, with one before and one behind."""
    text = text.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).translate(MARKS).translate(LETTERS)
        text = RUN.sub(r" \g<0> ", text)
    words = text.translate(BETWEEN).split() if text.isascii() else WORD.findall(text)
    text = f" {' '.join(words)} "
    for written, common in SPELLINGS:
        text = text.replace(written, common)
    text = text.translate(COMMON)
    for written, common in DOUBLED:
        text = text.replace(written, common)
    return text
