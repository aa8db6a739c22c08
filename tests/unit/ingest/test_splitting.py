"""Documents that are cut in worker processes, several of which tell the languages of the chunks."""

from services.ingest.adapters.documents import PART, PooledDocuments
from services.ingest.ports import Extracted
from shared.adapters.worker_pool import WorkerPool

ENGLISH = "The valve in hall {n} is closed by hand before the pump of the cooling loop is serviced."
GERMAN = "Das Ventil in Halle {n} wird von Hand geschlossen, bevor die Pumpe gewartet werden darf."


async def test_each_chunk_has_its_own_language_however_many_there_are() -> None:
    lines = [(GERMAN if n % 7 == 3 else ENGLISH).format(n=n) for n in range(2 * PART + 10)]
    text = "\n\n".join(lines)
    pool = WorkerPool(2, idle_seconds=600)
    try:
        spans = await PooledDocuments(pool).split(
            Extracted(text, None, "en"), max_chars=len(max(lines, key=len)), overlap=0
        )
    finally:
        await pool.aclose()
    assert [text[span.start : span.end] for span in spans] == lines
    assert [span.language for span in spans] == [
        "de" if n % 7 == 3 else "en" for n in range(len(lines))
    ]
