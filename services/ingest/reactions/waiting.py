"""A run whose provider takes no more for now rests, and holds no place meanwhile.

The job ends; a timer of the broker queues it again. So waiting is no attempt, survives a restart,
and what was embedded before it stays.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.ingest.domain.source import Present
from services.ingest.ports import Tick, Timers
from services.ingest.reactions.runs import DispatchJob, Execute
from shared.contracts.base import Metadata
from shared.contracts.ingest import RecordFailed
from shared.contracts.ingest_stages import RecordWaiting
from shared.kernel.errors import Throttled
from shared.kernel.ids import derived_id

KIND = "ingestion"
"""Of the timers."""
SHORTEST_SECONDS = 1.0

Current = Callable[[str, str, str], Awaitable[Any]]
Now = Callable[[], datetime]


@dataclass(frozen=True)
class WaitForProvider:
    """Tells that a run waits, and sets the timer that ends it."""

    execute: Execute
    current: Current
    timers: Timers
    now: Now

    async def __call__(
        self, source_id: str, run_id: str, cause: Metadata, refusal: Throttled
    ) -> None:
        """Raise `Unavailable` if the run is not sure to go on; the job then comes again."""
        source = await self._running(source_id, run_id, cause)
        if source is None or source.run is None:
            return
        wait = max(refusal.retry_after or 0.0, SHORTEST_SECONDS)
        until = self.now() + timedelta(seconds=wait)
        command = RecordWaiting(
            source_id=source_id, run_id=run_id, until=until, reason=str(refusal)
        )
        number = source.run.waits + 1
        await self.execute(command, cause, f"wait {number}")
        if await self._running(source_id, run_id, cause) is None:
            return  # it has waited too long, or was deleted
        message_id = derived_id("wait", run_id, str(number))
        because = cause.model_copy(update={"message_id": message_id})
        await self.timers.set(KIND, source_id, until, because, run_id.encode())

    async def _running(self, source_id: str, run_id: str, cause: Metadata) -> Present | None:
        source = await self.current("source", cause.tenant_id, source_id)
        if not isinstance(source, Present) or source.run is None:
            return None
        return source if source.run.run_id == run_id else None


class GoOn:
    """The time is over: the job is queued again."""

    def __init__(self, dispatch: DispatchJob, execute: Execute) -> None:
        self._dispatch = dispatch
        self._execute = execute

    async def __call__(self, tick: Tick) -> None:
        await self._dispatch("source", tick.timer_id, "ingest", tick.metadata, tick.body)

    async def given_up(self, tick: Tick, reason: str) -> None:
        """After the last attempt the source says so: nothing stays in `processing`."""
        command = RecordFailed(
            source_id=tick.timer_id,
            run_id=tick.body.decode(),
            reason=f"Ingestion could not go on after a pause of the provider: {reason}",
        )
        await self._execute(command, tick.metadata, "not gone on")
