"""The blob format of prepared chunks: what is written is read, and the same bytes each time."""

import base64
import json
import struct
from dataclasses import replace

from hypothesis import given, strategies as st

from shared.adapters.chunk_batch import (
    PreparedChunk,
    indexed_text,
    read_batch,
    text_hash,
    write_batch,
)

CHUNK = PreparedChunk(
    ordinal=3,
    text="Seven years.\nÄ 東京",
    start=10,
    end=26,
    heading="Manual > Guarantee",
    vector=struct.pack("<3f", 0.6, -0.8, 0.0),
)
CHUNKS = st.lists(
    st.builds(
        PreparedChunk,
        ordinal=st.integers(0, 10**6),
        text=st.text(max_size=30),
        start=st.integers(0, 10**9),
        end=st.integers(0, 10**9),
        heading=st.none() | st.text(max_size=10),
        vector=st.binary(max_size=64),
    ),
    max_size=5,
)


@given(CHUNKS)
def test_what_is_written_is_read(chunks: list[PreparedChunk]) -> None:
    assert read_batch(write_batch(chunks)) == chunks


@given(CHUNKS)
def test_the_same_chunks_give_the_same_bytes(chunks: list[PreparedChunk]) -> None:
    assert write_batch(list(chunks)) == write_batch(read_batch(write_batch(chunks)))


def test_a_batch_of_today_can_be_read_for_ever() -> None:
    stored = (
        b'[{"ordinal":3,"text":"Seven years.\\n\xc3\x84 \xe6\x9d\xb1\xe4\xba\xac","start":10,'
        b'"end":26,"heading":"Manual > Guarantee","vector":"mpkZP83MTL8AAAAA"}]'
    )
    assert read_batch(stored) == [CHUNK]
    assert write_batch([CHUNK]) == stored


def test_page_and_language_are_kept() -> None:
    chunk = replace(CHUNK, page=7, language="de")
    assert read_batch(write_batch([CHUNK, chunk])) == [CHUNK, chunk]


def test_anybody_can_open_it() -> None:
    item = json.loads(write_batch([CHUNK]))[0]
    assert struct.unpack("<3f", base64.b64decode(item["vector"]))[0] > 0.59


def test_a_chunk_is_found_by_the_headings_above_it_as_well() -> None:
    assert CHUNK.indexed_text == "Manual > Guarantee\nSeven years.\nÄ 東京"
    assert indexed_text(None, "text") == "text"
    assert indexed_text("", "text") == "text"


def test_another_heading_or_text_has_another_hash() -> None:
    made = {text_hash(indexed_text(h, t)) for h in (None, "A", "B") for t in ("x", "y")}
    assert len(made) == 6
    assert text_hash("x") == text_hash("x")
