"""JSON that is too large to be held: written piece by piece."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence

from pydantic import BaseModel


async def array(pages: AsyncIterable[Sequence[BaseModel]]) -> AsyncIterator[bytes]:
    """A JSON array of all items, a page at a time."""
    separator = b"["
    async for page in pages:
        if page:
            yield separator + b",".join(encoded(item) for item in page)
            separator = b","
    yield b"]" if separator == b"," else b"[]"


def encoded(item: BaseModel) -> bytes:
    return item.model_dump_json().encode()
