"""Reads and splits documents in worker processes."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import ParamSpec, TypeVar

from typing_extensions import override

from services.ingest.ports import Documents, Extracted, Span, Unreadable
from shared.adapters import chunking, formats, kinds, language, ocr
from shared.adapters.text import Document
from shared.adapters.worker_pool import TookTooLong, WorkerDied, WorkerPool

READ_SECONDS = 40.0
"""For a document, or for a page of it that is a picture."""
SPLIT_SECONDS = 40.0
PART = 1024
"""Chunks of which one call tells the languages: what takes longest in cutting is done by all
workers at the same time.
"""
SMALLER = "split it into smaller files, or save it anew in a simpler form"

P = ParamSpec("P")
R = TypeVar("R")


class PooledDocuments(Documents):
    """The `Documents` port over a worker pool."""

    def __init__(
        self, pool: WorkerPool, *, ocr_languages: str = "eng", tessdata: str | None = None
    ) -> None:
        self._pool = pool
        self._ocr_languages = ocr_languages
        self._tessdata = tessdata

    @override
    async def read(self, data: bytes, media_type: str, *, strict: bool = False) -> Extracted:
        document, spoken = await self._run(_read, READ_SECONDS, data, media_type, strict)
        if document.pictures and not document.text:
            document = await self._seen(data, media_type, document)
            spoken = await self._run(language.detect, READ_SECONDS, document.text)
        return Extracted(document.text, document.title, spoken, document.pages)

    @override
    async def split(
        self, document: Extracted, *, max_chars: int, overlap: int, before: Sequence[str] = ()
    ) -> list[Span]:
        spans = await self._run(_split, SPLIT_SECONDS, document, max_chars, overlap, before)
        rest = [document.text[span.start : span.end] for span in spans[PART:]]
        told = await asyncio.gather(
            *(
                self._run(_languages, SPLIT_SECONDS, rest[first : first + PART], document.language)
                for first in range(0, len(rest), PART)
            )
        )
        languages = chain.from_iterable(told)
        return spans[:PART] + [
            replace(span, language=one) for span, one in zip(spans[PART:], languages, strict=True)
        ]

    async def _seen(self, data: bytes, media_type: str, document: Document) -> Document:
        """What Tesseract reads on the pages, each in a call of its own: others come in between."""
        if document.pictures > ocr.PAGES:
            raise Unreadable(
                f"The document cannot be read: it has more than {ocr.PAGES} pages that are "
                "pictures: split it"
            )
        kind = kinds.recognised(data, media_type.partition(";")[0].strip().lower())
        text, pages = "", []
        for page in range(document.pictures):
            seen = await self._run(
                ocr.read_page,
                READ_SECONDS,
                data,
                kind,
                page,
                self._ocr_languages,
                self._tessdata,
            )
            if seen:
                text += "\n\n" if text else ""
                pages.append((len(text), page + 1))
                text += seen
        return Document(text, document.title, tuple(pages) if document.pictures > 1 else ())

    async def _run(
        self, function: Callable[P, R], seconds: float, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """What goes wrong because of the document is told; what does not is raised."""
        try:
            return await self._pool.run(function, seconds, *args, **kwargs)
        except ValueError as error:
            raise Unreadable(f"The document cannot be read: {error}") from error
        except MemoryError as error:
            raise Unreadable(_costly("needs more memory than is allowed")) from error
        except TookTooLong as error:
            raise Unreadable(_costly(str(error))) from error
        except WorkerDied as error:
            if not error.crashed:
                raise
            raise Unreadable(_costly("needs more memory than is allowed, or is broken")) from error


def _costly(what: str) -> str:
    return f"The document cannot be read: it {what}; {SMALLER}"


def _read(data: bytes, media_type: str, strict: bool) -> tuple[Document, str | None]:
    document = formats.read_document(data, media_type, strict=strict)
    return document, language.detect(document.text)


def _split(document: Extracted, max_chars: int, overlap: int, before: Sequence[str]) -> list[Span]:
    """The first ones with their languages."""
    starts = [start for start, _ in document.pages]
    spans = []
    chunks = chunking.split(document.text, max_chars, overlap, pages=document.pages, before=before)
    for chunk in chunks:
        place = bisect_right(starts, chunk.start)
        page = document.pages[place - 1][1] if place else None
        spans.append(Span(chunk.start, chunk.end, chunk.heading, page=page))
    first = [document.text[span.start : span.end] for span in spans[:PART]]
    languages = _languages(first, document.language)
    told = [replace(span, language=one) for span, one in zip(spans, languages, strict=False)]
    return told + spans[PART:]


def _languages(texts: Sequence[str], document: str | None) -> list[str | None]:
    return [language.detect_part(text, document) for text in texts]
