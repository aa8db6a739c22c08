"""Content-addressed blobs: one contract for a folder and for a bucket."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from shared.adapters.blobs import Blobs
from shared.kernel.errors import Unavailable


class BlobsContract:
    """Subclass per store; provide `blobs`."""

    @pytest.mark.parametrize("data", [b"", b"text", bytes(range(256)) * 20_000])
    async def test_what_was_put_is_found_under_its_own_hash(
        self, blobs: Blobs, tenant_id: str, data: bytes
    ) -> None:
        ref = await blobs.put(tenant_id, data)
        assert ref == hashlib.sha256(data).hexdigest()
        assert await blobs.get(tenant_id, ref) == data

    async def test_the_same_bytes_have_one_reference(self, blobs: Blobs, tenant_id: str) -> None:
        refs = await asyncio.gather(*(blobs.put(tenant_id, b"same") for _ in range(8)))
        assert {*refs, await blobs.put(tenant_id, b"same")} == {refs[0]}
        assert await blobs.get(tenant_id, refs[0]) == b"same"

    async def test_another_tenant_has_its_own(
        self, blobs: Blobs, tenant_id: str, other_tenant_id: str
    ) -> None:
        ref = await blobs.put(tenant_id, b"same")
        with pytest.raises(Unavailable):
            await blobs.get(other_tenant_id, ref)
        assert await blobs.put(other_tenant_id, b"same") == ref
        assert await blobs.get(other_tenant_id, ref) == b"same"

    async def test_what_is_missing_is_unavailable(self, blobs: Blobs, tenant_id: str) -> None:
        """It may come back: the event that names it was stored after it."""
        with pytest.raises(Unavailable, match="0" * 64):
            await blobs.get(tenant_id, "0" * 64)

    @pytest.mark.parametrize("tenant", ["", "..", "a/b", "a.b"])
    async def test_no_tenant_reaches_out_of_its_own(self, blobs: Blobs, tenant: str) -> None:
        with pytest.raises(ValueError, match="cannot stand in a subject"):
            await blobs.put(tenant, b"text")
        with pytest.raises(ValueError, match="cannot stand in a subject"):
            await blobs.get(tenant, "0" * 64)


class TestBucket(BlobsContract):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return Blobs(MemoryStore())


class TestFolder(BlobsContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "blobs"

    @pytest.fixture
    def blobs(self, folder: Path) -> Blobs:
        return Blobs.open(folder.as_uri())

    async def test_the_same_bytes_are_written_once(
        self, blobs: Blobs, folder: Path, tenant_id: str
    ) -> None:
        await blobs.put(tenant_id, b"same")
        [stored] = files(folder)
        written = stored.stat().st_ino, stored.stat().st_mtime_ns
        await blobs.put(tenant_id, b"same")
        assert files(folder) == [stored]
        assert (stored.stat().st_ino, stored.stat().st_mtime_ns) == written

    async def test_another_process_sees_the_same(
        self, blobs: Blobs, folder: Path, tenant_id: str
    ) -> None:
        ref = await blobs.put(tenant_id, b"text")
        assert await Blobs.open(folder.as_uri()).get(tenant_id, ref) == b"text"

    async def test_what_cannot_be_read_is_unavailable(
        self, blobs: Blobs, folder: Path, tenant_id: str
    ) -> None:
        ref = await blobs.put(tenant_id, b"text")
        [stored] = files(folder)
        stored.unlink()
        stored.mkdir()
        with pytest.raises(Unavailable):
            await blobs.get(tenant_id, ref)

    async def test_what_cannot_be_written_is_unavailable(
        self, blobs: Blobs, folder: Path, tenant_id: str
    ) -> None:
        (folder / tenant_id).write_bytes(b"a file where the folder should be")
        with pytest.raises(Unavailable):
            await blobs.put(tenant_id, b"text")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
