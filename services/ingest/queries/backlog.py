"""How much work of a tenant waits, and whether more is taken in.

A request that is taken in is carried out whole: the limit is one for the door, and what a family or
a website brings may go beyond it. Requests that come at the same moment may all find room.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from cachetools import TTLCache
from sqlalchemy import func, select

from services.ingest.domain.source import Absent
from services.ingest.tables import sources
from shared.adapters.read_model import ReadModelStore
from shared.contracts.base import Metadata
from shared.contracts.ingest_backlog import Admission, AskAdmission
from shared.kernel.errors import NotFound

RETRY_SECONDS = 10.0
TRUSTED_SECONDS = 1.0
"""How long a count is good for while there is much room."""
SHARE = 4
"""Of the room, as much is given away in that time before it is counted again: there may be other
replicas, and what is taken in may bring more."""
MUCH = 100
"""Room from which on it is not counted each time."""
TENANTS = 1_000

Current = Callable[[str, str, str], Awaitable[Any]]
CheckNew = Callable[[str, str | None, Metadata], Awaitable[None]]


class Backlog:
    """Counts in the model `ingest_sources`, which all replicas share. A limit of 0 is none."""

    def __init__(
        self,
        store: ReadModelStore,
        limit: int,
        current: Current,
        check_new: CheckNew,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._limit = limit
        self._current = current
        self._check_new = check_new
        self._room: TTLCache[str, list[None]] = TTLCache(TENANTS, TRUSTED_SECONDS, timer)
        """By tenant, as many as may come in before they are counted again."""

    async def full(self, tenant_id: str) -> bool:
        """Whether as many sources as may are underway. A website counts by its pages."""
        if not self._limit:
            return False
        if room := self._room.get(tenant_id):
            room.pop()
            return False
        left = self._limit - await self._underway(tenant_id)
        self._room[tenant_id] = [None] * (left // SHARE if left >= MUCH else 0)
        return left <= 0

    async def _underway(self, tenant_id: str) -> int:
        """How many there are, up to the limit."""
        some = (
            select(sources.c.id)
            .where(
                sources.c.tenant_id == tenant_id,
                sources.c.underway,
                sources.c.source_type != "website",
            )
            .limit(self._limit)
            .subquery()
        )
        async with self._store.reading(tenant_id) as db:
            return await db.scalar(select(func.count()).select_from(some)) or 0

    async def ask_admission(self, question: AskAdmission, meta: Metadata) -> Admission:
        """Raise `NotFound` or `InvalidCommand` as the order itself would."""
        if not await self.full(meta.tenant_id):
            return Admission()
        if question.bot_profile_id is not None:
            await self._check_new(question.bot_profile_id, question.parent_id, meta)
        if question.source_id is not None:
            source = await self._current("source", meta.tenant_id, question.source_id)
            if isinstance(source, Absent) or source.deleted:
                raise NotFound("Source not found")
            if source.run is not None:
                return Admission()  # it is underway already, and the order says so
        return Admission(retry_after=RETRY_SECONDS)
