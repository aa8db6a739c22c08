"""A stream ends with the credential that opened it."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from services.gateway.http.standing import Gone, while_allowed
from shared.kernel.errors import MiniRagError, NotAuthenticated, NotPermitted, Unavailable
from shared.web.problem import ProblemError


def farewell(gone: Gone) -> bytes:
    return f"{gone.code}: {gone.detail}".encode()


class Body:
    """Tells one piece and then nothing, as an idle stream does."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.closed = False

    async def __call__(self, *, ends: bool = False) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                yield piece
            if not ends:
                await asyncio.Event().wait()
        finally:
            self.closed = True


class Credential:
    """Good for so many looks, and then what `error` says."""

    def __init__(self, error: Exception, looks: int = 0) -> None:
        self._error = error
        self._looks = looks
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        if self.asked > self._looks:
            raise self._error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotAuthenticated("revoked"), b"not-authenticated: revoked"),
        (NotPermitted("disabled"), b"not-permitted: disabled"),
        (ProblemError(403, "secret-key-in-browser", "seen"), b"secret-key-in-browser: seen"),
    ],
)
async def test_an_idle_stream_ends_with_the_reason(error: Exception, told: bytes) -> None:
    body = Body(b"first")
    stream = while_allowed(body(), Credential(error, looks=3), farewell, every=0.001)
    assert [piece async for piece in stream][-1] == told
    assert body.closed


async def test_nothing_is_told_that_was_read_after_the_end() -> None:
    stream = while_allowed(Body(b"secret")(), Credential(NotAuthenticated("x")), farewell, every=0)
    assert [piece async for piece in stream] == [b"not-authenticated: x"]


@pytest.mark.parametrize("error", [Unavailable("no broker"), OSError("no database")])
async def test_what_is_away_ends_no_stream(error: MiniRagError | OSError) -> None:
    credential = Credential(error)
    stream = while_allowed(Body(b"a", b"b")(ends=True), credential, farewell, every=0)
    assert [piece async for piece in stream] == [b"a", b"b"]
    assert credential.asked


async def test_whoever_leaves_closes_what_was_read() -> None:
    body = Body(b"a", b"b")
    stream = while_allowed(body(), Credential(NotAuthenticated("x"), looks=9), farewell)
    assert await anext(stream) == b"a"
    await stream.aclose()
    assert body.closed


async def test_a_reader_that_is_cancelled_while_it_waits_leaves_nothing_open() -> None:
    body = Body()
    stream = while_allowed(body(), Credential(NotAuthenticated("x"), looks=9), farewell)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(stream)
    assert body.closed


async def test_a_stream_that_another_gateway_holds_as_well_ends_without_a_word() -> None:
    body, credential = Body(b"first"), Credential(NotAuthenticated("x"), looks=10**9)
    leaves = asyncio.Event()
    stream = while_allowed(body(), credential, farewell, every=0.001, over=leaves.is_set)
    assert await anext(stream) == b"first"
    leaves.set()
    assert [piece async for piece in stream] == []
    assert body.closed
