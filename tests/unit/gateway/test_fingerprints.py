"""Whether two bodies say the same."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st
from starlette.requests import ClientDisconnect
from starlette.types import Message

from services.gateway.http.fingerprints import Body

JSON = "application/json"


def body(content_type: str, *pieces: bytes, end: bool = True) -> Body:
    messages = [
        {"type": "http.request", "body": piece, "more_body": n < len(pieces) or not end}
        for n, piece in enumerate(pieces, 1)
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return Body(receive, content_type)


async def test_json_is_compared_by_what_it_says() -> None:
    one = await body(JSON, b'{"a": 1,', b' "b": [2]}').fingerprint()
    assert one == await body(JSON, b'{"b":[2],"a":1}').fingerprint()
    assert one != await body(JSON, b'{"b":[3],"a":1}').fingerprint()


async def test_what_is_no_json_is_compared_by_its_bytes() -> None:
    prints = {await body(JSON, text).fingerprint() for text in (b"{", b"{ ", b"")}
    assert len(prints) == 3
    assert (
        await body("text/plain", b"{}").fingerprint()
        != await body("text/plain", b"{ }").fingerprint()
    )


async def test_a_route_gets_the_body_and_then_what_the_server_tells() -> None:
    given_ = body(JSON, b"ab", b"cd")
    await given_.fingerprint()
    assert (await given_.receive())["body"] == b"abcd"
    assert (await given_.receive())["type"] == "http.disconnect"


async def test_a_client_that_goes_away_in_between_is_noticed() -> None:
    with pytest.raises(ClientDisconnect):
        await body(JSON, b"ab", end=False).fingerprint()


@given(
    text=st.binary(max_size=200),
    boundary=st.text("abc01", min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
async def test_a_form_is_the_same_however_it_arrives_and_whatever_its_boundary(
    text: bytes, boundary: str, cuts: list[int]
) -> None:
    """Boundaries that stand in the text itself no client makes."""
    mark = boundary.encode()
    if mark in text or mark in b'--\r\nname="file"\r\n\r\n':
        return

    async def of(mark: bytes, *cuts: int) -> str | None:
        form = b"--" + mark + b'\r\nname="file"\r\n\r\n' + text + b"\r\n--" + mark + b"--\r\n"
        places = sorted({min(cut, len(form)) for cut in cuts} | {0, len(form)})
        pieces = [form[a:b] for a, b in pairwise(places)]
        found = body(f"multipart/form-data; boundary={mark.decode()}", *pieces)
        assert await found.fingerprint() is None
        return await found.drain()

    whole = await of(mark)
    assert whole == await of(mark, *cuts)
    other = b"Z9Z9Z9"
    if other not in text:
        assert whole == await of(other)


async def test_a_form_that_nobody_read_to_its_end_has_none() -> None:
    form = body("multipart/form-data; boundary=b", b"--b\r\n", b"--b--")
    await form.receive()
    assert form.seen() is None
    await form.receive()
    assert form.seen() is not None
