"""Headers come out as nats-py's own function finds them, whatever they look like."""

import pytest
from hypothesis import example, given, strategies as st

from shared.adapters.nats_headers import BY_LIBRARY, header_lines

PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
NASTY = st.text(st.sampled_from("ab: \t\r\n\x00\x7f\u00e9\u2028"), max_size=12)
NAME = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=":"), min_size=1
)
COLONS = st.text(st.sampled_from("ab: "), max_size=8)
"""Where a name ends is all that fields of these are about."""


@given(st.lists(st.tuples(PLAIN | NASTY, st.sampled_from([": ", ":", ":\t", ""]), PLAIN | NASTY)))
def test_any_fields(fields: list[tuple[str, str, str]]) -> None:
    raw = "".join(f"{name}{sep}{value}\r\n" for name, sep, value in fields) + "\r\n"
    assert header_lines(raw.encode()) == BY_LIBRARY(raw.encode())


@given(st.lists(COLONS, max_size=3))
@example(["a:b: c"])
def test_any_colons(lines: list[str]) -> None:
    raw = "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
    assert header_lines(raw) == BY_LIBRARY(raw)


@given(NAME, st.sampled_from(["", " ", "  ", "\t"]), COLONS, st.sampled_from(["", " ", "\t"]))
def test_a_name_ends_at_the_first_colon_and_its_value_is_trimmed(
    name: str, before: str, value: str, behind: str
) -> None:
    raw = f"{name}:{before}{value}{behind}\r\n\r\n".encode()
    assert header_lines(raw) == {name: value.strip()}


@given(st.binary(max_size=40))
def test_any_bytes(raw: bytes) -> None:
    assert header_lines(raw) == BY_LIBRARY(raw)


@pytest.mark.parametrize("value", ["x", "a: b", "http://example.com/?q=1", "2026-01-01T00:00:00Z"])
def test_what_is_sent_comes_back(value: str) -> None:
    raw = f"ce-id: 1\r\nName: {value}\r\n\r\n".encode()
    assert header_lines(raw) == {"ce-id": "1", "Name": value}
