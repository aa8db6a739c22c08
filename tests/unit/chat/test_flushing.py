"""What is put into vector indexes is flushed once, after the last fact of a batch."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from services.chat.domain.ranking import DENSE, LEXICAL
from services.chat.ports import Hit, Point, Scope, Sparse, VectorIndex, VectorIndexes
from services.chat.projections.flushing import InBatches
from shared.contracts.base import Event, Recorded

DATABASE: Any = None
SCOPE = Scope("t1", source_id="s1")


class Engine(VectorIndexes):
    """Writes down what is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @override
    async def open(self, name: str, dimension: int) -> VectorIndex:
        return Noting(name, self.asked)

    @override
    async def names(self) -> frozenset[str]:
        return frozenset({"one"})

    @override
    async def drop(self, name: str) -> None:
        self.asked.append(f"drop {name}")

    @override
    async def state(self) -> str:
        return "ok"


class Noting(VectorIndex):
    def __init__(self, name: str, asked: list[str]) -> None:
        self._name, self._asked = name, asked

    @override
    async def upsert(self, points: Sequence[Point]) -> None:
        self._asked.append(f"upsert {self._name}")

    @override
    async def delete(self, scope: Scope, *, below_revision: int | None = None) -> None:
        self._asked.append(f"delete {self._name} {below_revision}")

    @override
    async def flush(self) -> None:
        self._asked.append(f"flush {self._name}")

    @override
    async def search(
        self,
        scope: Scope,
        dense: bytes,
        sparse: Sparse,
        *,
        limit: int,
        weights: tuple[float, float] = (LEXICAL, DENSE),
    ) -> list[Hit]:
        return []

    @override
    async def count(self, scope: Scope) -> int:
        return 7


class Writing:
    """A projection that changes the indexes of these names, one for each fact."""

    def __init__(self, indexes: VectorIndexes, names: list[str]) -> None:
        self._indexes = indexes
        self._names = names

    async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
        index = await self._indexes.open(self._names.pop(0), 2)
        await index.upsert([])
        await index.flush()


def facts(count: int) -> list[Any]:
    return [None] * count


async def test_a_batch_is_flushed_once_behind_its_last_change() -> None:
    engine, names = Engine(), ["one", "one", "other", "one"]
    batches = InBatches(engine, lambda its: Writing(its, names))
    await batches.apply_all(DATABASE, facts(3))
    assert engine.asked == ["upsert one", "upsert one", "upsert other", "flush one", "flush other"]
    engine.asked.clear()
    [last] = facts(1)
    await batches.apply(DATABASE, last)
    assert engine.asked == ["upsert one", "flush one"]


async def test_what_nobody_changed_or_somebody_dropped_is_not_flushed() -> None:
    class Dropping(Writing):
        @override
        async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
            await super().apply(db, recorded)
            await self._indexes.drop("one")

    engine = Engine()
    await InBatches(engine, lambda its: Dropping(its, ["one"])).apply_all(DATABASE, facts(1))
    await InBatches(engine, lambda its: Writing(its, [])).apply_all(DATABASE, [])
    assert engine.asked == ["upsert one", "drop one"]


async def test_everything_else_goes_through() -> None:
    class Asking:
        def __init__(self, indexes: VectorIndexes) -> None:
            self._indexes = indexes

        async def apply(self, db: AsyncConnection, recorded: Recorded[Event]) -> None:
            index = await self._indexes.open("one", 2)
            await index.delete(SCOPE, below_revision=2)
            assert await index.search(SCOPE, b"", Sparse((), ()), limit=1) == []
            assert await index.count(SCOPE) == 7
            assert await self._indexes.names() == {"one"}
            assert await self._indexes.state() == "ok"

    engine = Engine()
    await InBatches(engine, Asking).apply_all(DATABASE, facts(1))
    assert engine.asked == ["delete one 2"]
