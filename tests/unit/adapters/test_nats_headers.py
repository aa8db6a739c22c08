"""Headers come out as nats-py's own function finds them, whatever they look like."""

import pytest
from hypothesis import given, strategies as st

from shared.adapters.nats_headers import BY_LIBRARY, header_lines

PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
NASTY = st.text(st.sampled_from("ab: \t\r\n\x00\x7f\u00e9\u2028"), max_size=12)


@given(st.lists(st.tuples(PLAIN | NASTY, st.sampled_from([": ", ":", ":\t", ""]), PLAIN | NASTY)))
def test_any_fields(fields: list[tuple[str, str, str]]) -> None:
    raw = "".join(f"{name}{sep}{value}\r\n" for name, sep, value in fields) + "\r\n"
    assert header_lines(raw.encode()) == BY_LIBRARY(raw.encode())


@given(st.binary(max_size=40))
def test_any_bytes(raw: bytes) -> None:
    assert header_lines(raw) == BY_LIBRARY(raw)


@pytest.mark.parametrize("value", ["x", "a: b", "http://example.com/?q=1", "2026-01-01T00:00:00Z"])
def test_what_is_sent_comes_back(value: str) -> None:
    raw = f"ce-id: 1\r\nName: {value}\r\n\r\n".encode()
    assert header_lines(raw) == {"ce-id": "1", "Name": value}
