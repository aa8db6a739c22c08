"""A stream ends with the credential that opened it."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from services.gateway.http.standing import Gone, Standings
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


async def pieces(stream: AsyncGenerator[bytes, None]) -> list[bytes]:
    return [piece async for piece in stream]


async def looked(standings: Standings, times: int = 1) -> None:
    """As if so many looks were due."""
    for _ in range(times):
        for one in standings.open:
            one.due = 0
        await standings.look()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotAuthenticated("revoked"), b"not-authenticated: revoked"),
        (NotPermitted("disabled"), b"not-permitted: disabled"),
        (ProblemError(403, "secret-key-in-browser", "seen"), b"secret-key-in-browser: seen"),
    ],
)
async def test_an_idle_stream_ends_with_the_reason(error: Exception, told: bytes) -> None:
    body, standings = Body(b"first"), Standings()
    stream = standings.while_allowed(body(), "t1", Credential(error, looks=3), farewell)
    assert await anext(stream) == b"first"
    async with asyncio.TaskGroup() as tasks:
        rest = tasks.create_task(pieces(stream))
        await asyncio.sleep(0)
        await looked(standings, 3)
        assert not rest.done()
        await looked(standings)
    assert rest.result() == [told]
    assert body.closed
    assert not standings.open


async def test_nothing_is_told_that_was_read_after_the_end() -> None:
    standings = Standings()
    credential = Credential(NotAuthenticated("x"))
    stream = standings.while_allowed(Body(b"a", b"secret")(), "t1", credential, farewell)
    assert await anext(stream) == b"a"
    await looked(standings)
    assert await pieces(stream) == [b"not-authenticated: x"]


@pytest.mark.parametrize("error", [Unavailable("no broker"), OSError("no database")])
async def test_what_is_away_ends_no_stream(error: MiniRagError | OSError) -> None:
    standings, credential = Standings(), Credential(error)
    stream = standings.while_allowed(Body(b"a", b"b")(ends=True), "t1", credential, farewell)
    assert await anext(stream) == b"a"
    await looked(standings)
    assert await pieces(stream) == [b"b"]
    assert credential.asked


async def test_whoever_leaves_closes_what_was_read() -> None:
    body, standings = Body(b"a", b"b"), Standings()
    credential = Credential(NotAuthenticated("x"), looks=9)
    stream = standings.while_allowed(body(), "t1", credential, farewell)
    assert await anext(stream) == b"a"
    await stream.aclose()
    assert body.closed
    assert not standings.open


async def test_a_reader_that_is_cancelled_while_it_waits_leaves_nothing_open() -> None:
    body, standings = Body(), Standings()
    credential = Credential(NotAuthenticated("x"), looks=9)
    stream = standings.while_allowed(body(), "t1", credential, farewell)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(stream)
    assert body.closed


async def test_a_timeout_within_a_stream_is_not_taken_for_its_end() -> None:
    async def body() -> AsyncGenerator[bytes, None]:
        yield b"a"
        raise TimeoutError

    stream = Standings().while_allowed(body(), "t1", Credential(NotAuthenticated("x")), farewell)
    with pytest.raises(TimeoutError):
        await pieces(stream)


async def test_a_stream_that_another_gateway_holds_as_well_ends_without_a_word() -> None:
    body, standings = Body(b"first"), Standings()
    credential = Credential(NotAuthenticated("x"), looks=10**9)
    leaves = asyncio.Event()
    stream = standings.while_allowed(body(), "t1", credential, farewell, leaves.is_set)
    assert await anext(stream) == b"first"
    leaves.set()
    async with asyncio.TaskGroup() as tasks:
        rest = tasks.create_task(pieces(stream))
        await asyncio.sleep(0)
        await standings.look()
    assert rest.result() == []
    assert body.closed


async def test_a_credential_is_looked_at_when_its_tenant_changed_and_else_seldom() -> None:
    changed = {"t2"}
    standings = Standings(lambda: changed)
    ours, others = (Credential(NotAuthenticated("x"), looks=9) for _ in range(2))
    streams = [
        standings.while_allowed(Body(b"a")(), "t1", ours, farewell),
        standings.while_allowed(Body(b"a")(), "t2", others, farewell),
    ]
    for stream in streams:
        await anext(stream)
    await standings.look()
    assert (ours.asked, others.asked) == (0, 1)
    for stream in streams:
        await stream.aclose()


async def test_looks_come_by_themselves() -> None:
    standings = Standings(lambda: {"t1"}, every=0.001)
    stream = standings.while_allowed(
        Body()(), "t1", Credential(NotAuthenticated("x"), looks=3), farewell
    )
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(standings.run())
        assert await pieces(stream) == [b"not-authenticated: x"]
        looking.cancel()
