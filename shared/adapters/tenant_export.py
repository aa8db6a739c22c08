"""Writes a tenant, with its whole history, as one archive."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.metadata import version

from shared.adapters.archived_events import STAYING, line_of
from shared.adapters.blobs import Blobs
from shared.adapters.envelope import DataKeys, tenant_subjects
from shared.adapters.event_log import EventLog
from shared.adapters.tenant_archive import ArchiveWriter
from shared.kernel.clock import utc_now

AT_ONCE = 200
"""Events that are held at a time."""


async def exported(
    event_log: EventLog, blobs: Blobs, keys: DataKeys, tenant_id: str
) -> AsyncGenerator[bytes, None]:
    """The archive, piece by piece.

    It holds at least what was in the log when this began, and personal text in clear.
    """
    writer = ArchiveWriter()
    history = event_log.history(0, [tenant_subjects(tenant_id)], batch=AT_ONCE)
    async with aclosing(history) as batches:
        async for records in batches:
            lines = [
                await line_of(record, keys)
                for record in records
                if record.event.aggregate not in STAYING
            ]
            yield await asyncio.to_thread(writer.events, lines)
    # Blobs are written before the event that names them: none of these events lacks one.
    async with aclosing(blobs.refs(tenant_id)) as refs:
        async for ref in refs:
            yield await asyncio.to_thread(writer.blob, ref, await blobs.get(tenant_id, ref))
    yield await asyncio.to_thread(writer.end, tenant_id, utc_now(), version("minirag"))
