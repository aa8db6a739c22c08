"""Whom a provider's refusal stops, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from services.ingest.adapters.pacing import (
    BELIEVED_SECONDS,
    FIRST_SECONDS,
    JITTER,
    LONGEST_SECONDS,
    Pacing,
)
from services.ingest.ports import Embedder, Pauses
from shared.kernel.errors import Throttled
from tests.unit.ingest.fakes import CountingEmbedder


@dataclass
class ManualPauses(Pauses):
    """Pauses that end when a test says so."""

    paused: dict[str, float] = field(default_factory=dict)

    @override
    async def left(self, account: str) -> float:
        return self.paused.get(account, 0.0)

    @override
    async def pause(self, account: str, seconds: float) -> None:
        self.paused[account] = seconds


@dataclass
class RefusingEmbedder(CountingEmbedder):
    """Refuses by the script, then takes everything."""

    script: list[Throttled] = field(default_factory=list)
    asked: int = 0

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.asked += 1
        if self.script:
            raise self.script.pop(0)
        return await super().embed(texts)


FOR_30_SECONDS = Throttled("enough", retry_after=30)


async def refused(embedder: Embedder) -> float:
    """For how long."""
    with pytest.raises(Throttled) as caught:
        await embedder.embed(["a"])
    assert caught.value.retry_after is not None
    return caught.value.retry_after


class TestARefusal:
    async def test_stops_all_who_ask_with_the_same_key_and_nobody_else(self) -> None:
        pauses, inner = (
            ManualPauses(),
            RefusingEmbedder(script=[Throttled("enough", retry_after=30)]),
        )
        first = Pacing(pauses).before(inner, "provider/key")
        second = Pacing(pauses).before(inner, "provider/key")
        other = Pacing(pauses).before(CountingEmbedder(), "provider/other")
        assert 30 <= await refused(first) <= 30 * (1 + JITTER)
        assert 30 <= await refused(second) <= 30 * (1 + JITTER)
        assert inner.asked == 1
        assert await other.embed(["a"])

    async def test_is_over_after_the_time_that_the_provider_named(self) -> None:
        pauses, inner = (
            ManualPauses(),
            RefusingEmbedder(script=[Throttled("enough", retry_after=30)]),
        )
        it = Pacing(pauses).before(inner, "provider/key")
        await refused(it)
        pauses.paused.clear()
        assert await it.embed(["a"])

    async def test_that_names_no_time_pauses_for_longer_each_time_in_a_row(self) -> None:
        pauses = ManualPauses()
        inner = RefusingEmbedder(script=[Throttled("enough") for _ in range(9)])
        it = Pacing(pauses).before(inner, "provider/key")
        waits = []
        while inner.script:
            await refused(it)
            waits.append(pauses.paused.pop("provider/key"))
        assert waits[:3] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
        assert waits[-1] == LONGEST_SECONDS
        await it.embed(["a"])
        inner.script.append(Throttled("enough"))
        await refused(it)
        assert pauses.paused["provider/key"] == FIRST_SECONDS

    async def test_is_not_believed_for_longer_than_an_hour(self) -> None:
        inner = RefusingEmbedder(script=[Throttled("enough", retry_after=1e9)])
        pauses = ManualPauses()
        await refused(Pacing(pauses).before(inner, "provider/key"))
        assert pauses.paused == {"provider/key": BELIEVED_SECONDS}

    async def test_leaves_the_model_as_it_is(self) -> None:
        inner = CountingEmbedder()
        it = Pacing(ManualPauses()).before(inner, "provider/key")
        assert it.model == inner.model
