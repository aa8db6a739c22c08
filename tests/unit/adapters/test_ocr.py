"""Pictures with text in them are read with Tesseract's data for English."""

from collections.abc import AsyncIterator

import pytest

from services.ingest.adapters.documents import PooledDocuments
from services.ingest.ports import Unreadable
from shared.adapters import ocr
from shared.adapters.worker_pool import WorkerPool
from tests.documents import pdf
from tests.scans import picture, scanned

LINES = ["Every bicycle carries a guarantee", "of seven years on its frame."]


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    made = WorkerPool(1, idle_seconds=600, memory_bytes=1536 * 1024 * 1024)
    yield made
    await made.aclose()


@pytest.mark.slow
async def test_a_picture_is_read(pool: WorkerPool) -> None:
    found = await PooledDocuments(pool).read(picture(LINES), "image/png", strict=True)
    assert "guarantee of seven years" in " ".join(found.text.split())
    assert (found.language, found.pages) == ("en", ())


@pytest.mark.slow
@pytest.mark.parametrize("media_type", ["application/pdf", "application/octet-stream"])
async def test_the_pages_of_a_scanned_pdf_are_read(pool: WorkerPool, media_type: str) -> None:
    file = scanned([LINES, [], ["The second text."]])
    found = await PooledDocuments(pool).read(file, media_type)
    assert [page for _, page in found.pages] == [1, 3]
    assert found.text[found.pages[0][0] :].startswith("Every bicycle")
    assert found.text[found.pages[1][0] :].startswith("The second text")


async def test_a_language_that_is_missing_is_named(pool: WorkerPool) -> None:
    documents = PooledDocuments(pool, ocr_languages="eng+tlh")
    with pytest.raises(Unreadable, match=r"Tesseract is not installed .* language eng, tlh"):
        await documents.read(b"picture", "image/png")


async def test_a_broken_picture_is_told(pool: WorkerPool) -> None:
    with pytest.raises(Unreadable, match="the picture is damaged"):
        await PooledDocuments(pool).read(b"\x89PNG\r\n\x1a\n broken", "image/png", strict=True)


async def test_too_many_pictures_are_refused(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "PAGES", 2)
    with pytest.raises(Unreadable, match="more than 2 pages that are pictures: split it"):
        await PooledDocuments(pool).read(pdf([], [], []), "application/pdf")
