"""Texts of many callers in few calls, each with its own end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from typing_extensions import override

from services.ingest.adapters.batching import Batches
from services.ingest.ports import Embedder
from shared.kernel.errors import Throttled
from tests.unit.ingest.fakes import CountingEmbedder

LONG = 60.0


@dataclass
class ScriptedEmbedder(CountingEmbedder):
    """Remembers its calls; waits until it is released; fails at what it is told."""

    calls: list[list[str]] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    fails_at: str | None = None
    error: Exception = field(default_factory=lambda: ValueError("not this one"))

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.calls.append(list(texts))
        await self.released.wait()
        if self.fails_at in texts:
            raise self.error
        return await super().embed(texts)


@pytest.fixture
def inner() -> ScriptedEmbedder:
    made = ScriptedEmbedder()
    made.released.set()
    return made


@asynccontextmanager
async def batching(
    inner: ScriptedEmbedder, max_texts: int = 4, max_wait: float = LONG
) -> AsyncIterator[Embedder]:
    made = Batches(max_texts=max_texts, max_wait=max_wait)
    running = asyncio.ensure_future(made.run())
    yield made.before(inner, "account")
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def own(inner: ScriptedEmbedder, *texts: str) -> list[bytes]:
    return await CountingEmbedder(inner.name).embed(texts)


class TestTexts:
    async def test_of_callers_that_wait_together_go_into_one_call(
        self, inner: ScriptedEmbedder
    ) -> None:
        async with batching(inner) as it:
            got: list[Any] = [
                *await asyncio.gather(it.embed(["a"]), it.embed(["b", "c"]), it.embed(["d"]))
            ]
        assert inner.calls == [["a", "b", "c", "d"]]
        assert got == [await own(inner, "a"), await own(inner, "b", "c"), await own(inner, "d")]
        assert it.model == inner.model

    async def test_that_are_too_many_together_go_into_the_next_call(
        self, inner: ScriptedEmbedder
    ) -> None:
        async with batching(inner) as it:
            await asyncio.gather(it.embed(["a", "b", "c"]), it.embed(["d", "e", "f", "g"]))
        assert inner.calls == [["a", "b", "c"], ["d", "e", "f", "g"]]

    async def test_of_one_caller_are_not_divided(self, inner: ScriptedEmbedder) -> None:
        async with batching(inner, max_texts=2) as it:
            await it.embed(["a", "b", "c"])
        assert inner.calls == [["a", "b", "c"]]

    async def test_without_others_do_not_wait_for_ever(self, inner: ScriptedEmbedder) -> None:
        async with batching(inner, max_wait=0.001) as it:
            assert await it.embed(["a"]) == await own(inner, "a")

    async def test_do_not_wait_for_a_call_that_is_on_its_way(self, inner: ScriptedEmbedder) -> None:
        inner.released.clear()
        async with batching(inner, max_texts=1) as it:
            both = asyncio.gather(it.embed(["a"]), it.embed(["b"]))
            while len(inner.calls) < 2:
                await asyncio.sleep(0)
            inner.released.set()
            await both

    async def test_of_other_accounts_go_into_other_calls(self, inner: ScriptedEmbedder) -> None:
        other = ScriptedEmbedder(released=inner.released)
        made = Batches(max_texts=2, max_wait=LONG)
        running = asyncio.ensure_future(made.run())
        one, two = made.before(inner, "one"), made.before(other, "two")
        await asyncio.gather(*(it.embed([text]) for text in "ab" for it in (one, two)))
        assert inner.calls == other.calls == [["a", "b"]]
        running.cancel()
        await asyncio.wait([running])


class TestAFailure:
    async def test_of_one_text_fails_nobody_elses(self, inner: ScriptedEmbedder) -> None:
        inner.fails_at = "b"
        async with batching(inner, max_texts=3) as it:
            calls = (it.embed(["a"]), it.embed(["b"]), it.embed(["c"]))
            got: list[Any] = [*await asyncio.gather(*calls, return_exceptions=True)]
        assert got == [await own(inner, "a"), inner.error, await own(inner, "c")]
        assert inner.calls == [["a", "b", "c"], ["a"], ["b"], ["c"]]

    async def test_of_a_provider_that_has_enough_is_everybodys_and_is_not_tried_again(
        self, inner: ScriptedEmbedder
    ) -> None:
        inner.fails_at, inner.error = "b", Throttled("too many", retry_after=30)
        async with batching(inner, max_texts=2) as it:
            calls = (it.embed(["a"]), it.embed(["b"]))
            got: list[Any] = [*await asyncio.gather(*calls, return_exceptions=True)]
        assert got == [inner.error, inner.error]
        assert len(inner.calls) == 1


class TestACallerThatIsCancelled:
    async def test_before_the_call_wants_none(self, inner: ScriptedEmbedder) -> None:
        async with batching(inner, max_texts=2) as it:
            gone = asyncio.ensure_future(it.embed(["a"]))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait([gone])
            assert await it.embed(["b"]) == await own(inner, "b")
        assert inner.calls == [["b"]]

    async def test_during_the_call_leaves_it_to_the_others(self, inner: ScriptedEmbedder) -> None:
        inner.released.clear()
        async with batching(inner, max_texts=2) as it:
            gone, stays = (asyncio.ensure_future(it.embed([text])) for text in "ab")
            while not inner.calls:
                await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait([gone])
            inner.released.set()
            assert await stays == await own(inner, "b")
