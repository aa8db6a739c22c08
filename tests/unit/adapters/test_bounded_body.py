"""A body cannot grow without bound, however it is packed."""

import functools
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Iterable

import httpx
import pytest
from hypothesis import given, strategies as st
from typing_extensions import override

from shared.adapters.bounded_body import MEGABYTE, PIECE, BoundedBody, Inflater, Oversized

TEXT = b"".join(b"line %d of the manual\n" % n for n in range(5000))


class Wire(httpx.AsyncByteStream):
    """Bytes as they come over the network; tells how much of them was taken."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.taken = 0
        self.closed = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.taken += len(chunk)
            yield chunk

    @override
    async def aclose(self) -> None:
        self.closed = True


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    " GZIP ": gzip.compress,
}


def in_chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def read(chunks: Iterable[bytes], encoding: str = "", limit: int = MEGABYTE) -> list[bytes]:
    return [piece async for piece in BoundedBody(Wire(chunks), encoding, "host", limit)]


async def measure(body: BoundedBody, sizes: list[int]) -> None:
    """Read to the end, or to the error, and note the size of each piece."""
    async for piece in body:
        sizes += [len(piece)]


class TestPlainBodies:
    @pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
    async def test_come_through_as_they_are(self, encoding: str) -> None:
        assert await read([b"ab", b"", b"c"], encoding) == [b"ab", b"", b"c"]

    async def test_up_to_the_limit_are_taken_and_not_a_byte_more(self) -> None:
        assert b"".join(await read([b"x" * 10] * 10, limit=100)) == b"x" * 100
        with pytest.raises(Oversized, match="host sends more than"):
            await read([b"x" * 10] * 10 + [b"x"], limit=100)

    async def test_beyond_the_limit_are_not_read_to_their_end(self) -> None:
        wire = Wire(b"x" * 1000 for _ in range(1000))
        with pytest.raises(Oversized):
            await measure(BoundedBody(wire, "", "host", 5000), [])
        assert wire.taken == 6000

    async def test_are_closed_with_their_reader(self) -> None:
        wire = Wire([])
        await BoundedBody(wire, "", "host", 1).aclose()
        assert wire.closed


class TestPackedBodies:
    @pytest.mark.parametrize("encoding", PACKED)
    @pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
    async def test_are_unpacked_however_the_network_cuts_them(
        self, encoding: str, size: int
    ) -> None:
        packed = PACKED[encoding](TEXT)
        assert b"".join(await read(in_chunks(packed, size), encoding)) == TEXT

    @pytest.mark.parametrize("size", [1, 2, 3, 1000])
    async def test_that_call_raw_deflate_deflate_are_understood(self, size: int) -> None:
        assert b"".join(await read(in_chunks(raw_deflate(TEXT), size), "deflate")) == TEXT

    @pytest.mark.parametrize("size", [1, 50, 10**6])
    async def test_of_several_members_are_one_text(self, size: int) -> None:
        packed = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
        assert b"".join(await read(in_chunks(packed, size), "gzip")) == b"one two"

    async def test_may_have_padding_behind_their_end(self) -> None:
        packed = gzip.compress(b"text") + bytes(100)
        assert b"".join(await read([packed], "gzip")) == b"text"
        assert b"".join(await read(in_chunks(packed, 1), "gzip")) == b"text"

    async def test_padding_stays_padding_whatever_it_looks_like(self) -> None:
        packed = gzip.compress(b"text") + bytes(8) + gzip.compress(b"more")
        for size in (1, 4, 10**6):
            assert b"".join(await read(in_chunks(packed, size), "gzip")) == b"text"

    async def test_that_hold_nothing_are_empty(self) -> None:
        for encoding in ("gzip", "deflate"):
            assert b"".join(await read([PACKED[encoding](b"")], encoding)) == b""
            assert await read([], encoding) == []

    async def test_come_in_small_pieces(self) -> None:
        packed = gzip.compress(bytes(MEGABYTE))
        assert max(map(len, await read([packed], "gzip"))) <= PIECE

    @given(st.binary(max_size=5000), st.integers(1, 500), st.sampled_from(sorted(PACKED)))
    async def test_of_any_content_come_through(self, data: bytes, size: int, encoding: str) -> None:
        packed = PACKED[encoding](data)
        assert b"".join(await read(in_chunks(packed, size), encoding)) == data


def bomb(packer: "zlib._Compress", megabytes: int) -> bytes:
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)) + packer.flush()


BOMBS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS, "deflate raw": -zlib.MAX_WBITS}
"""How each is packed."""


@functools.cache
def packed_bomb(name: str) -> bytes:
    return bomb(zlib.compressobj(9, wbits=BOMBS[name]), 64)


class TestBombs:
    @pytest.mark.parametrize("name", BOMBS)
    @pytest.mark.parametrize("size", [100, 10**7])
    async def test_are_stopped_before_they_unfold(self, name: str, size: int) -> None:
        wire = Wire(in_chunks(packed_bomb(name), size))
        body = BoundedBody(wire, name.partition(" ")[0], "host", 10 * MEGABYTE)
        sizes: list[int] = []
        with pytest.raises(Oversized):
            await measure(body, sizes)
        assert sum(sizes) < 8 * MEGABYTE

    async def test_within_the_ratio_are_stopped_at_twice_the_limit(self) -> None:
        packed = gzip.compress(b"0123456789" * 20_001)
        with pytest.raises(Oversized):
            await read([packed], "gzip", limit=100_000)
        assert await read([packed], "gzip", limit=101_000)

    async def test_of_many_members_are_counted_together(self) -> None:
        member = gzip.compress(bytes(100_000))
        with pytest.raises(Oversized):
            await read([member * 200], "gzip", limit=MEGABYTE)

    async def test_short_texts_may_repeat_themselves(self) -> None:
        assert len(b"".join(await read([gzip.compress(bytes(MEGABYTE))], "gzip"))) == MEGABYTE


class TestBrokenBodies:
    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    async def test_that_end_early_are_an_error(self, encoding: str) -> None:
        packed = PACKED[encoding](TEXT)
        for cut in (1, 5, len(packed) // 2, len(packed) - 1):
            with pytest.raises(httpx.DecodingError, match="ends too early"):
                await read([packed[:cut]], encoding)

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    async def test_that_are_damaged_are_an_error(self, encoding: str) -> None:
        packed = bytearray(PACKED[encoding](TEXT))
        for at in range(len(packed) // 4, len(packed) // 4 + 20):
            packed[at] ^= 0xFF
        with pytest.raises(httpx.DecodingError):
            await read([bytes(packed)], encoding)

    async def test_that_are_not_packed_at_all_are_an_error(self) -> None:
        with pytest.raises(httpx.DecodingError, match="damaged"):
            await read([b"<html>plain</html>"], "gzip")

    @pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip,br", "x"])
    async def test_in_an_encoding_we_did_not_ask_for_are_an_error(self, encoding: str) -> None:
        with pytest.raises(httpx.DecodingError, match="unknown encoding"):
            await read([b"anything"], encoding)

    @given(st.binary(min_size=1, max_size=300))
    def test_never_fail_in_any_other_way(self, data: bytes) -> None:
        for encoding in ("gzip", "deflate"):
            inflater = Inflater(encoding)
            try:
                for piece in inflater.feed(data):
                    assert len(piece) <= PIECE
            except httpx.DecodingError:
                continue
