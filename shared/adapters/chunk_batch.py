"""The blob format of prepared chunks: text, exact span, heading and vector, some at a time.

JSON with base64 vectors: written once and read rarely, it is worth more that anybody can open it.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

BATCH_SIZE = 128


@dataclass(frozen=True, slots=True)
class PreparedChunk:
    """One chunk of a revision. `vector` is little-endian float32 of unit length."""

    ordinal: int
    text: str
    start: int
    end: int
    heading: str | None
    vector: bytes
    page: int | None = None
    language: str | None = None

    @property
    def indexed_text(self) -> str:
        return indexed_text(self.heading, self.text)


def indexed_text(heading: str | None, text: str) -> str:
    """What is embedded and searched: a chunk is found by the headings above it as well."""
    return f"{heading}\n{text}" if heading else text


def text_hash(text: str) -> str:
    """Chunks of the same indexed text have the same vector."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_batch(chunks: Sequence[PreparedChunk]) -> bytes:
    """The same chunks give the same bytes, and so the same blob."""
    return orjson.dumps([_item(chunk) for chunk in chunks])


def _item(chunk: PreparedChunk) -> dict[str, object]:
    item: dict[str, object] = {
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "heading": chunk.heading,
        "vector": base64.b64encode(chunk.vector).decode(),
    }
    if chunk.page is not None:
        item["page"] = chunk.page
    if chunk.language is not None:
        item["language"] = chunk.language
    return item


def read_batch(data: bytes) -> list[PreparedChunk]:
    return [
        PreparedChunk(
            ordinal=item["ordinal"],
            text=item["text"],
            start=item["start"],
            end=item["end"],
            heading=item["heading"],
            vector=base64.b64decode(item["vector"]),
            page=item.get("page"),
            language=item.get("language"),
        )
        for item in orjson.loads(data)
    ]
