"""A response body that cannot grow without bound, compressed or not."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx
from typing_extensions import override

from shared.kernel.errors import MiniRagError

MEGABYTE = 1024 * 1024
MAX_GROWTH = 2
"""Decompressed, a body may have so many times the bytes that it may have on the wire."""
MAX_RATIO = 100
RATIO_FROM = MEGABYTE
"""Short texts may repeat themselves as they like."""
PIECE = 64 * 1024
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_GZIP_MAGIC = b"\x1f\x8b"


class Oversized(MiniRagError):
    """A server sends more than we take; it will do so again."""

    def __init__(self, host: str, limit: int) -> None:
        super().__init__(f"{host} sends more than {limit / MEGABYTE:g} MB")


class BoundedBody(httpx.AsyncByteStream):
    """Bytes of `wire`, decompressed in pieces of at most 64 kB.

    httpx decompresses a chunk of the wire at once, which makes a gigabyte of a megabyte. Raises
    `Oversized` over `limit` bytes on the wire, twice that decompressed, or a ratio above 100, and
    `httpx.DecodingError` for an encoding that is broken or unknown.
    """

    def __init__(self, wire: httpx.AsyncByteStream, encoding: str, host: str, limit: int) -> None:
        self._wire = wire
        self._encoding = encoding.strip().lower()
        self._host = host
        self._limit = limit

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = decoded = 0
        growth = self._limit * MAX_GROWTH
        inflater: Inflater | None = None
        async for chunk in self._wire:
            received += len(chunk)
            if received > self._limit:
                raise Oversized(self._host, self._limit)
            if self._encoding in ("", "identity"):
                yield chunk
                continue
            inflater = inflater or Inflater(self._encoding)
            for piece in inflater.feed(chunk):
                decoded += len(piece)
                if decoded > min(growth, max(RATIO_FROM, received * MAX_RATIO)):
                    raise Oversized(self._host, growth)
                yield piece
                await asyncio.sleep(0)  # let others run between the pieces of one chunk
        if inflater is not None and not inflater.complete:
            raise httpx.DecodingError("the compressed body ends too early")

    @override
    async def aclose(self) -> None:
        await self._wire.aclose()


class Inflater:
    """Decompression of gzip (any number of members), zlib and raw deflate, piece by piece."""

    def __init__(self, encoding: str) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise httpx.DecodingError(f"the body comes in an unknown encoding, {encoding!r}")
        self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._may_be_raw = encoding == "deflate"
        self._undecided = b""
        """What came while it could still be either kind of deflate."""
        self._between = b""
        """Behind the end of a member: what may begin another one."""
        self._over = False

    @property
    def complete(self) -> bool:
        """Whether the stream has reached its end mark."""
        return self._zlib.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds, in pieces. Raises `httpx.DecodingError`."""
        while not self._over:
            if self._zlib.eof:
                data, self._between = self._between + data, b""
                if len(data) < len(_GZIP_MAGIC) and _GZIP_MAGIC.startswith(data):
                    self._between = data
                    return
                if not data.startswith(_GZIP_MAGIC):
                    self._over = True  # whatever follows the end is padding
                    return
                self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)
            piece = self._inflate(data)
            if piece:
                yield piece
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if not data and len(piece) < PIECE:
                return

    def _inflate(self, data: bytes) -> bytes:
        if self._may_be_raw:
            self._undecided += data
        try:
            piece = self._zlib.decompress(data, PIECE)
        except zlib.error as error:
            if not self._may_be_raw:
                raise httpx.DecodingError("the compressed body is damaged") from error
            # Some servers leave out the header that the name of this encoding promises.
            self._may_be_raw = False
            self._zlib = zlib.decompressobj(_RAW_DEFLATE)
            return self._inflate(self._undecided)
        if piece:
            self._may_be_raw, self._undecided = False, b""
        return piece
