"""Texts of several sources that wait at the same moment are embedded in one call."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from services.ingest.adapters.embedder_front import EmbedderFront
from services.ingest.ports import Embedder
from shared.kernel.errors import Throttled

MAX_TEXTS = 128
MAX_WAIT = 0.005
"""Seconds that a text waits for others at most."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """What one caller brings, and what the caller waits for."""

    account: str
    inner: Embedder
    texts: Sequence[str]
    vectors: asyncio.Future[list[bytes]]


@dataclass(eq=False, slots=True)
class _Batch:
    """What goes into one call, until it is closed."""

    waiting: list[_Waiting] = field(default_factory=list)
    size: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class Batches:
    """Gathers texts by account, which names model, provider and key; `run` makes the calls.

    What one caller brings is never divided, so that what becomes of one call is what becomes of
    the caller's texts. Callers that are cancelled leave their call to the others. No more texts
    wait here than callers wait for.
    """

    def __init__(self, *, max_texts: int = MAX_TEXTS, max_wait: float = MAX_WAIT) -> None:
        self._max_texts = max_texts
        self._max_wait = max_wait
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._open: dict[str, _Batch] = {}

    def before(self, inner: Embedder, account: str) -> Embedder:
        """The embedder whose calls are made together with those of others of the account."""
        return EmbedderFront(inner, partial(self.embed, inner, account))

    async def embed(self, inner: Embedder, account: str, texts: Sequence[str]) -> list[bytes]:
        mine = _Waiting(account, inner, texts, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(mine)
        return await mine.vectors

    async def run(self) -> None:
        """Gather texts and have them embedded, for ever; several calls may be on their way."""
        async with asyncio.TaskGroup() as calls:
            while True:
                self._place(await self._queue.get(), calls)

    def _place(self, one: _Waiting, calls: asyncio.TaskGroup) -> None:
        """In the batch that is gathered, or in another one if it is too much for that."""
        batch = self._open.get(one.account)
        if batch is not None and batch.size + len(one.texts) > self._max_texts:
            self._close(one.account, batch)
            batch = None
        if batch is None:
            batch = self._open[one.account] = _Batch()
            calls.create_task(self._gather(one.account, batch))
        batch.waiting.append(one)
        batch.size += len(one.texts)
        if batch.size >= self._max_texts:
            self._close(one.account, batch)

    def _close(self, account: str, batch: _Batch) -> None:
        batch.closed.set()
        if self._open.get(account) is batch:
            del self._open[account]

    async def _gather(self, account: str, batch: _Batch) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._max_wait):
                await batch.closed.wait()
        self._close(account, batch)
        await _call(batch.waiting)


async def _call(batch: Sequence[_Waiting]) -> None:
    """Give each its vectors or its own failure: a text that fails fails nobody else's."""
    wanted = [one for one in batch if not one.vectors.done()]
    if not wanted:
        return
    try:
        vectors = await wanted[0].inner.embed([text for one in wanted for text in one.texts])
    except Exception as error:  # noqa: BLE001  it is the callers', whatever it is
        if len(wanted) == 1 or isinstance(error, Throttled):
            _fail(wanted, error)
            return
        for one in wanted:
            await _call([one])
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
