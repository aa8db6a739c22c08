"""How fast documents of each format become chunks, and what the workers that read them hold.

`python -m bench.formats [--megabytes N]` measures a text of so many megabytes in each format, one
document after another, so that it shows what grows with the size.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from services.ingest.adapters.documents import PooledDocuments
from services.ingest.ports import Unreadable
from shared.adapters.worker_pool import WorkerPool
from shared.contracts.ingest import UPLOAD_TYPES
from tests import documents, office

WORKERS = 2
MEMORY_BYTES = 1536 * 1024 * 1024
"""As `MINIRAG_DOCUMENT_MEMORY_MB` is where nothing is said."""
CHUNK_CHARS = 1200
SENTENCE = "The valve in hall {n} is closed by hand before the pump is serviced, every {n} days. "
PER_PARAGRAPH = 6
PER_PAGE = 40
"""Lines of a PDF page."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one format, from the bytes of a file to its chunks."""

    documents_per_second: float
    megabytes_per_second: float
    """Of files."""
    chunks_per_second: float
    peak_mb: float
    """The most memory that one worker has held."""


def files(paragraphs: int) -> dict[str, bytes]:
    """The same text in every format that needs no OCR, by ending."""
    texts = [SENTENCE.format(n=n) * PER_PARAGRAPH for n in range(paragraphs)]
    lines = [SENTENCE.format(n=n) for n in range(paragraphs * PER_PARAGRAPH)]
    plain = "\n\n".join(texts).encode()
    tags = "".join(f"<p>{text}</p>" for text in texts)
    pages = [lines[first : first + PER_PAGE] for first in range(0, len(lines), PER_PAGE)]
    return {
        ".txt": plain,
        ".md": b"# Halls\n\n" + plain,
        ".csv": "".join(f"{n};{text}\n" for n, text in enumerate(texts)).encode(),
        ".tsv": "".join(f"{n}\t{text}\n" for n, text in enumerate(texts)).encode(),
        ".json": json.dumps([{"hall": n, "text": text} for n, text in enumerate(texts)]).encode(),
        ".html": f"<html><body><main>{tags}</main></body></html>".encode(),
        ".xml": f"<halls>{tags}</halls>".encode(),
        ".pdf": documents.pdf(*pages),
        ".docx": documents.docx(texts),
        ".pptx": office.pptx([(f"Hall {n}", text) for n, text in enumerate(texts)]),
        ".xlsx": office.xlsx({"Halls": [(text,) for text in texts]}),
        ".odt": office.odt("Halls", texts),
        ".rtf": office.rtf(texts),
        ".epub": office.epub("Halls", [(f"Hall {n}", text) for n, text in enumerate(texts)]),
        ".eml": office.eml("Halls", plain.decode()),
    }


def paragraphs(megabytes: float) -> int:
    """How many of them are a text of this size."""
    return round(megabytes * 1e6 / (len(SENTENCE) * PER_PARAGRAPH))


async def measure(given: Mapping[str, bytes], count: int) -> dict[str, Speed]:
    """Each file by its ending in workers of its own, `count` times, once they are warm."""
    return {
        ending: await _speed(data, UPLOAD_TYPES[ending], count) for ending, data in given.items()
    }


async def _speed(data: bytes, media_type: str, count: int) -> Speed:
    pool = WorkerPool(WORKERS, idle_seconds=60.0, memory_bytes=MEMORY_BYTES)
    others = _children()
    reader = PooledDocuments(pool)

    async def work() -> int:
        document = await reader.read(data, media_type)
        return len(await reader.split(document, max_chars=CHUNK_CHARS, overlap=0))

    try:
        await asyncio.gather(*(work() for _ in range(WORKERS)))
        began = time.perf_counter()
        chunks = sum(await asyncio.gather(*(work() for _ in range(count))))
        seconds = time.perf_counter() - began
        peak = max(map(_peak_mb, _children() - others))
    finally:
        await pool.aclose()
    return Speed(
        documents_per_second=count / seconds,
        megabytes_per_second=count * len(data) / 1e6 / seconds,
        chunks_per_second=chunks / seconds,
        peak_mb=peak,
    )


def _children() -> set[int]:
    return {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}


def _peak_mb(pid: int) -> float:
    """What Linux calls the high water mark of a process (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024 / 1e6


async def report(megabytes: float, endings: list[str]) -> dict[str, dict[str, float | str]]:
    """By ending; what a format's limits refuse is told in their words."""
    found: dict[str, dict[str, float | str]] = {}
    for ending, data in files(paragraphs(megabytes)).items():
        if endings and ending not in endings:
            continue
        about: dict[str, float | str] = {"file, MB": len(data) / 1e6}
        try:
            [speed] = (await measure({ending: data}, 1)).values()
            about |= {"peak of one worker, MB": speed.peak_mb}
            about |= {"MB of file a second": speed.megabytes_per_second}
        except Unreadable as error:
            about["refused"] = str(error)
        found[ending] = about
    return found


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="bench.formats", description=__doc__)
    options.add_argument("--megabytes", type=float, default=10.0)
    options.add_argument("endings", nargs="*", help="such as .pdf; all if there are none")
    asked = options.parse_args()
    print(json.dumps(asyncio.run(report(asked.megabytes, asked.endings)), indent=2))
