"""How far an embedder is asked ahead of what is told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from services.ingest.ports import EmbeddingRefused
from services.ingest.reactions.ahead import embedded
from shared.adapters.chunk_batch import text_hash
from tests.unit.ingest.fakes import CountingEmbedder

PARTS = [["a", "b"], ["c", "a"], ["d"], ["e"]]


@dataclass
class Held(CountingEmbedder):
    """Answers a call when the test says so."""

    calls: list[asyncio.Event] = field(default_factory=list)
    ended: int = 0

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        go_on = asyncio.Event()
        self.calls.append(go_on)
        try:
            await go_on.wait()
            return await super().embed(texts)
        finally:
            self.ended += 1


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("name", ["local/one", "paid"])
async def test_every_part_has_its_vectors_and_no_text_is_embedded_twice(name: str) -> None:
    embedder = CountingEmbedder(name)
    known = {text_hash("d"): b"known"}
    counts: list[int] = []
    async for count in embedded(embedder, PARTS, known):
        assert all(text_hash(text) in known for text in PARTS[len(counts)])
        counts.append(count)
    assert counts == [2, 1, 0, 1]
    assert embedder.embedded == ["a", "b", "c", "e"]
    assert known[text_hash("d")] == b"known"


@pytest.mark.parametrize(("name", "calls"), [("local/one", [2, 2]), ("paid", [1, 1])])
async def test_a_model_that_costs_nothing_is_asked_ahead(name: str, calls: list[int]) -> None:
    embedder = Held(name)
    counts = embedded(embedder, PARTS, {})
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(anext(counts))
        await settled()
        seen = [len(embedder.calls)]
        embedder.calls[0].set()
        assert await first == 2
        await settled()
        seen.append(len(embedder.calls))
    assert seen == calls
    await counts.aclose()
    assert embedder.ended == len(embedder.calls)


async def test_a_refusal_comes_in_its_turn_and_ends_what_goes_on() -> None:
    class Refusing(Held):
        @override
        async def embed(self, texts: Sequence[str]) -> list[bytes]:
            if "a" in texts:
                raise EmbeddingRefused("no")
            return await super().embed(texts)

    embedder = Refusing("local/one")
    counts = embedded(embedder, [["a"], ["b"]], {})
    with pytest.raises(EmbeddingRefused):
        await anext(counts)
    assert embedder.ended == len(embedder.calls)
