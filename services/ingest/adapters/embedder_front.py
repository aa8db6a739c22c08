"""What stands in front of an embedder and decides when it is asked."""

from collections.abc import Awaitable, Callable, Sequence

from typing_extensions import override

from services.ingest.ports import Embedder

__all__ = ["EmbedderFront"]

Embed = Callable[[Sequence[str]], Awaitable[list[bytes]]]


class EmbedderFront(Embedder):
    """The `Embedder` port before `inner`: it has that one's name, and asks it through `embed`."""

    def __init__(self, inner: Embedder, embed: Embed) -> None:
        self._inner = inner
        self._embed = embed

    @property
    @override
    def model(self) -> str:
        return self._inner.model

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return await self._embed(texts)
