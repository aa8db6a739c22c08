"""JSON that is too large to be held: written piece by piece."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence

from pydantic import BaseModel


async def array(pages: AsyncIterable[Sequence[BaseModel]]) -> AsyncIterator[bytes]:
    """A JSON array of all items, a page at a time."""
    async for piece in joined([encoded(item) for item in page] async for page in pages):
        yield piece


async def joined(pages: AsyncIterable[Sequence[bytes]]) -> AsyncIterator[bytes]:
    """The same, of items that are JSON already."""
    separator = b"["
    async for page in pages:
        if page:
            yield separator + b",".join(page)
            separator = b","
    yield b"]" if separator == b"," else b"[]"


def encoded(item: BaseModel) -> bytes:
    return item.model_dump_json().encode()
