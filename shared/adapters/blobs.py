"""Content-addressed blobs: a tenant's bytes under their own SHA-256, on disk or in a bucket."""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url
from typing_extensions import Buffer

from shared.kernel import faults
from shared.kernel.errors import NotFound, Unavailable
from shared.kernel.faults import FaultPoint
from shared.kernel.ids import subject_token

FAILURES = (BaseError, OSError)
"""What the store raises: errors of its own for a service, the system's for a folder."""
PIECE = 1024 * 1024
"""Bytes of a file that are held at a time."""
PIECE_AT_ONCE = 64 * 1024
"""Bytes that are digested faster than a thread is asked to."""


class Blobs:
    """Written before the event that refers to them, never changed, so never out of step."""

    def __init__(
        self,
        store: ObjectStore,
        root: Path | None = None,
        *,
        erased: Callable[[str], bool] = lambda _tenant_id: False,
    ) -> None:
        """`erased` tells of which tenants nothing is to be kept any more."""
        self._store = store
        self._root = root
        self._erased = erased

    @classmethod
    def open(cls, url: str, *, erased: Callable[[str], bool] = lambda _tenant_id: False) -> "Blobs":
        """`file:///folder`, or a bucket URL that obstore knows (`s3://`, `gs://`, `az://`)."""
        parts = urlsplit(url)
        if parts.scheme != "file":
            return cls(from_url(url), erased=erased)
        root = Path(parts.path)
        return cls(LocalStore(prefix=root, mkdir=True), root, erased=erased)

    async def put(self, tenant_id: str, data: bytes) -> str:
        """Store `data` durably and return its reference. The same bytes are stored once.

        Raise `Unavailable` if it cannot be written now, `NotFound` if the tenant was erased.
        """
        if len(data) <= PIECE_AT_ONCE:
            ref = hashlib.sha256(data).hexdigest()
        else:
            ref = await asyncio.to_thread(_digest, io.BytesIO(data))
        await self._put(tenant_id, ref, data)
        return ref

    async def put_file(self, tenant_id: str, file: IO[bytes]) -> str:
        """Store what `file` holds, as `put` does, without holding it in memory."""
        ref = await asyncio.to_thread(_digest, file)
        file.seek(0)
        await self._put(tenant_id, ref, file)
        return ref

    async def get(self, tenant_id: str, ref: str) -> bytes:
        """Raise `Unavailable` if the blob cannot be read now."""
        try:
            found = await self._store.get_async(_path(tenant_id, ref))
            return bytes(await found.bytes_async())
        except FAILURES as error:
            raise Unavailable(f"blob {ref} cannot be read") from error

    async def copy_all(self, into: "Blobs") -> tuple[int, int]:
        """Copy every blob that `into` lacks; return how many there are, and how many were copied.

        Raise `Unavailable` if one can be neither read nor written now.
        """
        count = copied = 0
        try:
            async for path, size in self._every():
                count += 1
                if not await into.holds(path, size):
                    found = await self._store.get_async(path)
                    await into.bring(path, found.stream(min_chunk_size=PIECE))
                    copied += 1
        except FAILURES as error:
            raise Unavailable("the blobs cannot be copied") from error
        return count, copied

    async def bring(self, path: str, content: AsyncIterable[Buffer]) -> None:
        """Store durably what another store holds under this path."""
        await self._store.put_async(path, content)
        await self._settle(path)

    async def check_all(self) -> tuple[int, list[str]]:
        """How many blobs hold what their name says, and the paths of those that do not."""
        intact, damaged = 0, []
        try:
            async for path, _ in self._every():
                hashing = hashlib.sha256()
                async for piece in (await self._store.get_async(path)).stream(min_chunk_size=PIECE):
                    hashing.update(piece)
                if hashing.hexdigest() == path.rsplit("/", 1)[-1]:
                    intact += 1
                else:
                    damaged.append(path)
        except FAILURES as error:
            raise Unavailable("the blobs cannot be read") from error
        return intact, damaged

    async def holds(self, path: str, size: int) -> bool:
        """Whether something so large is there under this path."""
        try:
            return (await self._store.head_async(path))["size"] == size
        except FileNotFoundError:
            return False

    async def _every(self) -> AsyncIterator[tuple[str, int]]:
        async for found in self._store.list():
            for one in found:
                yield one["path"], one["size"]

    async def refs(self, tenant_id: str) -> AsyncGenerator[str, None]:
        """The references of all blobs of a tenant. Raise `Unavailable` as `get` does."""
        try:
            async for found in self._store.list(subject_token(tenant_id)):
                for blob in found:
                    yield blob["path"].rpartition("/")[2]
        except FAILURES as error:
            raise Unavailable("the blobs cannot be listed") from error

    async def remove_all(self, tenant_id: str) -> None:
        """Remove all blobs of a tenant. Raise `Unavailable` if one cannot be; then repeat it."""
        try:
            async for found in self._store.list(subject_token(tenant_id)):
                await self._store.delete_async([blob["path"] for blob in found])
        except FAILURES as error:
            raise Unavailable("the blobs cannot be removed") from error

    async def _put(self, tenant_id: str, ref: str, content: bytes | IO[bytes]) -> None:
        path = _path(tenant_id, ref)
        try:
            await self._write(path, content)
            # Behind the writing: either this sees the erasure, or the erasure sees the blob.
            if self._erased(tenant_id):
                await self._store.delete_async(path)
                raise NotFound("Tenant not found")
        except FAILURES as error:
            raise Unavailable(f"blob {ref} cannot be written") from error

    async def _write(self, path: str, content: bytes | IO[bytes]) -> None:
        try:
            await self._store.head_async(path)
        except FileNotFoundError:
            faults.passed(FaultPoint.BLOB_WRITING)
            await self._store.put_async(path, content, chunk_size=PIECE, max_concurrency=2)
            faults.passed(FaultPoint.BLOB_WRITTEN)
            await self._settle(path)
            faults.passed(FaultPoint.BLOB_SYNCED)

    async def _settle(self, path: str) -> None:
        """A service has it when it says so; a folder's disk has to be told."""
        if self._root is not None:
            await asyncio.to_thread(_sync, self._root / path)


def _path(tenant_id: str, ref: str) -> str:
    return f"{subject_token(tenant_id)}/{ref[:2]}/{subject_token(ref)}"


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    hashing = hashlib.sha256()
    while piece := file.read(PIECE):
        hashing.update(piece)
    return hashing.hexdigest()


def _sync(path: Path) -> None:
    """Put the file and its name on the disk: an event that survives must find its blob."""
    for part in (path, path.parent):
        handle = os.open(part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
