"""Reads and splits documents in worker processes."""

from typing_extensions import override

from services.ingest.ports import Documents, Extracted, Span, Unreadable
from shared.adapters import formats, language, text as texts
from shared.adapters.worker_pool import TookTooLong, WorkerPool

READ_SECONDS = 60.0
SPLIT_SECONDS = 60.0


class PooledDocuments(Documents):
    """The `Documents` port over a worker pool."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    @override
    async def read(self, data: bytes, media_type: str, *, strict: bool = False) -> Extracted:
        try:
            return await self._pool.run(_read, READ_SECONDS, data, media_type, strict)
        except ValueError as error:
            raise Unreadable(f"The document cannot be read: {error}") from error
        except MemoryError as error:
            raise Unreadable("The document needs more memory than is allowed") from error
        except TookTooLong as error:
            raise Unreadable(f"Reading the document {error}") from error

    @override
    async def split(self, text: str, *, max_chars: int, overlap: int) -> list[Span]:
        try:
            return await self._pool.run(_split, SPLIT_SECONDS, text, max_chars, overlap)
        except TookTooLong as error:
            raise Unreadable(f"Splitting the document {error}") from error


def _read(data: bytes, media_type: str, strict: bool) -> Extracted:
    found = formats.read_document(data, media_type, strict=strict)
    return Extracted(found.text, found.title, language.detect(found.text))


def _split(text: str, max_chars: int, overlap: int) -> list[Span]:
    return [Span(c.start, c.end, c.heading) for c in texts.split(text, max_chars, overlap)]
