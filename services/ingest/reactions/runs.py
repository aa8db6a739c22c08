"""How a run begins and ends."""

from collections.abc import Awaitable, Callable

from shared.contracts.base import Command, Done, Metadata, Recorded
from shared.contracts.chat import IndexBuilt, IndexFailed
from shared.contracts.ingest import CompleteIngestion, IngestionRequested, RecordFailed

Execute = Callable[[Command, Metadata, str], Awaitable[Done]]
DispatchJob = Callable[[str, str, str, Metadata, bytes], Awaitable[None]]


class QueueIngestion:
    """A requested ingestion becomes a job."""

    def __init__(self, dispatch: DispatchJob) -> None:
        self._dispatch = dispatch

    async def __call__(self, recorded: Recorded[IngestionRequested]) -> None:
        event = recorded.event
        await self._dispatch(
            "source", event.source_id, "ingest", recorded.metadata, event.run_id.encode()
        )


class EndIngestion:
    """The index tells that a revision is in, or cannot be; that ends the run."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def __call__(self, recorded: Recorded[IndexBuilt | IndexFailed]) -> None:
        await self._execute(_end(recorded.event), recorded.metadata, "end ingestion")


def _end(event: IndexBuilt | IndexFailed) -> Command:
    match event:
        case IndexBuilt(source_id=source_id, run_id=run_id, revision=revision):
            return CompleteIngestion(source_id=source_id, run_id=run_id, revision=revision)
        case IndexFailed(source_id=source_id, run_id=run_id, reason=reason):
            return RecordFailed(source_id=source_id, run_id=run_id, reason=reason)
