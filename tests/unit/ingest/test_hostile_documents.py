"""Documents in worker processes: those that are built to hurt end in a reason, and hurt nobody."""

from collections.abc import AsyncIterator
from pathlib import PurePath

import pytest

from services.ingest.adapters.documents import PooledDocuments
from services.ingest.ports import Unreadable
from shared.adapters.worker_pool import WorkerPool
from shared.contracts.ingest import UPLOAD_TYPES
from tests.hostile import NOTHING, Hostile, corpus

MEMORY = 1536 * 1024 * 1024
FILES = list(corpus())


@pytest.fixture(scope="module")
async def documents(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PooledDocuments]:
    pool = WorkerPool(1, idle_seconds=600, memory_bytes=MEMORY)
    yield PooledDocuments(pool, tessdata=str(tmp_path_factory.mktemp("tessdata")))
    await pool.aclose()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", FILES, ids=[file.label for file in FILES])
async def test_a_hostile_file_gives_no_text_and_a_reason(
    documents: PooledDocuments, file: Hostile
) -> None:
    media_type = UPLOAD_TYPES[PurePath(file.name).suffix]
    if file.told == NOTHING:
        assert (await documents.read(file.make(), media_type, strict=True)).text == ""
    else:
        reason = await outcome(documents, file.make(), media_type)
        assert file.told in reason
        assert "Traceback" not in reason
    after = await documents.read(b"Plain words.", "text/plain", strict=True)
    assert after.text == "Plain words."


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/tiff"])
async def test_a_picture_without_tesseract_names_it(
    documents: PooledDocuments, media_type: str
) -> None:
    with pytest.raises(Unreadable, match="Tesseract is not installed on this server"):
        await documents.read(b"picture", media_type)


async def outcome(documents: PooledDocuments, data: bytes, media_type: str) -> str:
    """Why there is no text."""
    try:
        found = await documents.read(data, media_type, strict=True)
    except Unreadable as failure:
        return failure.reason
    assert found.text == ""
    return NOTHING
