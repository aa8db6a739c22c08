"""What follows for sources when their schedule is due."""

from collections.abc import Awaitable, Callable
from typing import Any

from services.ingest.domain.source import Present
from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.ingest import RequestIngestion
from shared.contracts.scheduler import ScheduleFired
from shared.kernel.errors import Conflict, NotFound

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
Current = Callable[[str, str, str], Awaitable[Any]]


class RefreshSource:
    """Asks for the ingestion of a source whose time has come.

    The schedule may be older than what the source says by now: then the source is right.
    """

    def __init__(self, execute: Execute, current: Current) -> None:
        self._execute = execute
        self._current = current

    async def __call__(self, recorded: Recorded[ScheduleFired]) -> None:
        event = recorded.event
        source = await self._current("source", recorded.tenant_id, event.schedule_id)
        if not isinstance(source, Present) or source.deleted or not source.settings.is_active:
            return
        settings = source.settings
        if (settings.refresh_cron, settings.refresh_schedule or "none") != (
            event.rule.cron,
            event.rule.every or "none",
        ):
            return
        command = RequestIngestion(source_id=event.schedule_id)
        try:
            await self._execute(command, recorded.metadata, "refresh")
        except (Conflict, NotFound):
            return  # it is being processed, which serves this slot too, or was deleted meanwhile
