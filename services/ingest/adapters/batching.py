"""Texts of several sources that wait at the same moment are embedded in one call."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from services.ingest.ports import Embedder, Throttled

MAX_TEXTS = 128
MAX_WAIT = 0.005
"""Seconds that a text waits for others at most."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """What one caller brings, and what the caller waits for."""

    texts: Sequence[str]
    vectors: asyncio.Future[list[bytes]]


class BatchingEmbedder(Embedder):
    """The `Embedder` port in front of another one; `run` makes the calls.

    What one caller brings is never divided, so that what becomes of one call is what becomes of
    the caller's texts. Callers that are cancelled leave their call to the others. No more texts
    wait here than callers wait for.
    """

    def __init__(
        self, inner: Embedder, *, max_texts: int = MAX_TEXTS, max_wait: float = MAX_WAIT
    ) -> None:
        self._inner = inner
        self._max_texts = max_texts
        self._max_wait = max_wait
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()

    @property
    @override
    def model(self) -> str:
        return self._inner.model

    @property
    @override
    def dimension(self) -> int:
        return self._inner.dimension

    @override
    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        mine = _Waiting(texts, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(mine)
        return await mine.vectors

    async def run(self) -> None:
        """Gather texts and have them embedded, for ever; several calls may be on their way."""
        following: _Waiting | None = None
        async with asyncio.TaskGroup() as calls:
            while True:
                batch = [following or await self._queue.get()]
                following = await self._fill(batch)
                calls.create_task(self._call(batch))

    async def _fill(self, batch: list[_Waiting]) -> _Waiting | None:
        """Wait a moment for others. Returns the one that was too many, if one was."""
        size = len(batch[0].texts)
        try:
            async with asyncio.timeout(self._max_wait):
                while size < self._max_texts:
                    one = await self._queue.get()
                    size += len(one.texts)
                    if size > self._max_texts:
                        return one
                    batch.append(one)
        except TimeoutError:
            return None
        return None

    async def _call(self, batch: Sequence[_Waiting]) -> None:
        """Give each its vectors or its own failure: a text that fails fails nobody else's."""
        wanted = [one for one in batch if not one.vectors.done()]
        if not wanted:
            return
        try:
            vectors = await self._inner.embed([text for one in wanted for text in one.texts])
        except Exception as error:  # noqa: BLE001  it is the callers', whatever it is
            if len(wanted) == 1 or isinstance(error, Throttled):
                _fail(wanted, error)
                return
            for one in wanted:
                await self._call([one])
            return
        first = 0
        for one in wanted:
            if not one.vectors.done():
                one.vectors.set_result(vectors[first : first + len(one.texts)])
            first += len(one.texts)


def _fail(waiting: Sequence[_Waiting], error: Exception) -> None:
    for one in waiting:
        if not one.vectors.done():
            one.vectors.set_exception(error)
