"""Server-sent events, byte by byte as clients of the original parse them."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shared.web.sse import HEADERS, MEDIA_TYPE, encode
from tests.harness import events


def test_an_event_is_its_name_one_line_of_data_and_an_empty_line() -> None:
    assert encode("delta", {"content": "Hello"}) == b'event: delta\ndata: {"content": "Hello"}\n\n'


def test_json_has_the_blanks_and_escapes_of_the_original() -> None:
    assert encode("sources", {"sources": [{"a": 1, "b": 0.5, "c": None, "d": True}]}) == (
        b'event: sources\ndata: {"sources": [{"a": 1, "b": 0.5, "c": null, "d": true}]}\n\n'
    )
    assert encode("delta", {"content": "Größe 東 👩\n"}) == (
        b"event: delta\n"
        rb'data: {"content": "Gr\u00f6\u00dfe \u6771 \ud83d\udc69\n"}'
        b"\n\n"
    )


def test_an_id_stands_before_the_name() -> None:
    assert encode("done", {}, 7) == b"id: 7\nevent: done\ndata: {}\n\n"
    assert encode("turn", {}, 0).startswith(b"id: 0\n")


def test_proxies_are_told_not_to_hold_it_back() -> None:
    assert MEDIA_TYPE == "text/event-stream"
    assert HEADERS == {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@pytest.mark.parametrize(
    "text", ["\n\n", "\r\n", "\r", "\x85", "\u2028", "\x00", "data: x\n\nevent: done"]
)
def test_no_text_can_end_an_event_or_begin_another(text: str) -> None:
    block = encode("delta", {"content": text})
    assert block.count(b"\n") == 3
    assert b"\r" not in block


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), VALUES), st.none() | st.integers(0, 10**9))
def test_whatever_is_told_arrives(data: dict[str, Any], event_id: int | None) -> None:
    block = encode("delta", data, event_id)
    assert list(events(iter([block.decode("ascii")]))) == [("delta", json.loads(json.dumps(data)))]
