"""One form for the same text, and no two words fused."""

import unicodedata

import pytest
from hypothesis import given, strategies as st

from shared.adapters.text import normalise

BLANKS = {
    "no-break space": "\u00a0",
    "narrow no-break space": "\u202f",
    "thin space": "\u2009",
    "hair space": "\u200a",
    "em space": "\u2003",
    "en space": "\u2002",
    "figure space": "\u2007",
    "ideographic space": "\u3000",
    "medium mathematical space": "\u205f",
    "ogham space": "\u1680",
    "tab": "\t",
    "vertical tab": "\v",
    "form feed": "\f",
    "unit separator": "\x1f",
    "file separator": "\x1c",
    "many": " \u00a0\t ",
}
UNSEEN = {
    "soft hyphen": "\u00ad",
    "zero width space": "\u200b",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "nul": "\x00",
    "bell": "\x07",
    "delete": "\x7f",
    "C1 control": "\x9b",
    "right-to-left override": "\u202e",
    "isolate": "\u2066",
    "tag": "\U000e0041",
}


@pytest.mark.parametrize("blank", BLANKS.values(), ids=BLANKS)
def test_every_kind_of_blank_becomes_one_space_and_words_never_fuse(blank: str) -> None:
    assert normalise(f"10{blank}Euro{blank}netto") == "10 Euro netto"


@pytest.mark.parametrize("unseen", UNSEEN.values(), ids=UNSEEN)
def test_what_nobody_sees_goes(unseen: str) -> None:
    assert normalise(f"Donau{unseen}dampfer") == "Donaudampfer"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85"])
def test_every_end_of_line_is_a_line_feed(end: str) -> None:
    assert normalise(f"one{end}two") == "one\ntwo"


def test_an_end_of_paragraph_is_an_empty_line() -> None:
    assert normalise("one\u2029two") == "one\n\ntwo"


def test_at_most_one_line_is_empty() -> None:
    assert normalise("one\n\n\n\n \n\t\ntwo") == "one\n\ntwo"


def test_nothing_stands_at_the_ends() -> None:
    assert normalise("\n\n  one  \ntwo \u00a0\n\n") == "one\ntwo"


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert normalise("Müller") == normalise(unicodedata.normalize("NFD", "Müller")) == "Müller"


def test_letters_of_every_script_stay() -> None:
    text = "Größe, 東京, Привет, مرحبا, שלום, नमस्ते, 👩\u200d🚀"
    assert normalise(text) == text


def test_an_indented_line_stays_indented() -> None:
    assert normalise("if x:\n        return") == "if x:\n return"


TEXTS = st.text(
    st.sampled_from(
        "aä.\u0308 \n\r\t\v\f\u00a0\u2009\u2028\u2029\x85\u200b\u00ad\ufeff\x00\x9b\x1f\u202e#`"
    ),
    max_size=60,
)


@given(TEXTS | st.text(max_size=60))
def test_what_is_normal_stays_as_it_is(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(TEXTS)
def test_nothing_is_left_that_could_not_be_stored_or_seen(text: str) -> None:
    found = normalise(text)
    assert "\n\n\n" not in found
    assert found == found.strip()
    assert not any(c.isspace() and c not in " \n" for c in found)
    assert not any(unicodedata.category(c) == "Cc" and c != "\n" for c in found)
    assert not any(line != line.rstrip() or "  " in line for line in found.split("\n"))


@given(st.lists(st.text("abcä", min_size=1, max_size=5), min_size=1, max_size=8), st.data())
def test_words_stay_whole_and_apart(words: list[str], data: st.DataObject) -> None:
    between = data.draw(st.lists(st.sampled_from(sorted(BLANKS.values())), min_size=len(words)))
    text = "".join(word + blank for word, blank in zip(words, between, strict=False))
    assert normalise(text).split(" ") == words
