"""Pages from servers that behave and that do not; every failure has a reason people can read."""

from collections.abc import AsyncIterator

import pytest

from services.ingest.adapters.http_fetcher import HttpFetcher
from services.ingest.ports import Fetched, FetchFailed, NotModified
from shared.adapters.egress import egress_client
from tests.unit.servers import Conversation, Talk, serving


@pytest.fixture
async def fetcher() -> AsyncIterator[HttpFetcher]:
    async with egress_client(allow_loopback=True, timeout=60, max_body=100_000) as client:
        yield HttpFetcher(client, seconds=60)


def saying(status: int, body: bytes = b"", **headers: str) -> Talk:
    async def talk(conversation: Conversation) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await conversation.answer(status, body, named)

    return talk


async def test_a_page_is_fetched_with_all_it_says_of_itself(fetcher: HttpFetcher) -> None:
    talk = saying(
        200, b"<p>Hi", Content_Type="text/html; charset=x", ETag='"1"', Last_Modified="Thu"
    )
    async with serving(talk) as server:
        found = await fetcher.fetch(f"{server.url}/page?a=b")
    assert found == Fetched(
        f"{server.url}/page?a=b", b"<p>Hi", "text/html; charset=x", '"1"', "Thu"
    )
    asked = server.requests[0].headers
    assert "text/html" in asked["accept"]
    assert not {"if-none-match", "if-modified-since"} & set(asked)


async def test_redirects_are_followed_and_the_last_address_is_kept(fetcher: HttpFetcher) -> None:
    async def talk(conversation: Conversation) -> None:
        if conversation.path == "/old":
            await conversation.answer(301, b"", {"Location": "/new"})
        else:
            await conversation.answer(200, b"new")

    async with serving(talk) as server:
        found = await fetcher.fetch(f"{server.url}/old")
    assert isinstance(found, Fetched)
    assert (found.url, found.data) == (f"{server.url}/new", b"new")
    assert found.media_type == "application/octet-stream"


async def test_validators_go_along_and_not_modified_is_an_answer(fetcher: HttpFetcher) -> None:
    async with serving(saying(304)) as server:
        found = await fetcher.fetch(server.url, etag='"1"', last_modified="Thu")
    assert found == NotModified()
    asked = server.requests[0].headers
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"1"', "Thu")


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (400, False),
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (410, False),
        (425, True),
        (429, True),
        (451, False),
        (500, True),
        (502, True),
        (503, True),
        (504, True),
        (599, True),
    ],
)
async def test_an_error_is_told_with_its_number(
    fetcher: HttpFetcher, status: int, retryable: bool
) -> None:
    async with serving(saying(status)) as server:
        with pytest.raises(FetchFailed, match=f"The server answered {status}") as failure:
            await fetcher.fetch(server.url)
    assert failure.value.retryable == retryable


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://169.254.169.254/", "not allowed: 169.254.169.254 may not be reached"),
        ("http://10.0.0.1/", "not allowed"),
        ("ftp://127.0.0.1/", "not allowed|cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("http://a b/", "cannot be read|cannot be reached|not allowed"),
    ],
)
async def test_an_address_that_leads_nowhere_is_final(
    fetcher: HttpFetcher, url: str, reason: str
) -> None:
    with pytest.raises(FetchFailed, match=reason):
        await fetcher.fetch(url)


async def test_what_may_be_otherwise_tomorrow_is_retryable() -> None:
    async def cut(conversation: Conversation) -> None:
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort")

    async def nonsense(conversation: Conversation) -> None:
        await conversation.send(b"SSH-2.0-nonsense\r\n\r\n")

    async with egress_client(allow_loopback=True, timeout=60) as client:
        for talk in (cut, nonsense):
            async with serving(talk) as server:
                with pytest.raises(FetchFailed, match="cannot be reached") as failure:
                    await HttpFetcher(client).fetch(server.url)
            assert failure.value.retryable
        async with serving(cut) as gone:
            pass
        with pytest.raises(FetchFailed, match="cannot be reached") as failure:
            await HttpFetcher(client).fetch(gone.url)
        assert failure.value.retryable


async def test_who_trickles_for_ever_is_left(fetcher: HttpFetcher) -> None:
    async def trickle(conversation: Conversation) -> None:
        await conversation.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await conversation.hang()

    async with serving(trickle) as server, egress_client(allow_loopback=True, timeout=60) as client:
        with pytest.raises(FetchFailed, match="did not finish within 0 seconds") as failure:
            await HttpFetcher(client, seconds=0.3).fetch(server.url)
    assert failure.value.retryable


async def test_who_sends_too_much_or_turns_in_circles_is_not_asked_again(
    fetcher: HttpFetcher,
) -> None:
    async def circle(conversation: Conversation) -> None:
        await conversation.answer(302, b"", {"Location": "/again"})

    for talk, reason in ((saying(200, b"x" * 100_001), "sends more"), (circle, "without end")):
        async with serving(talk) as server:
            with pytest.raises(FetchFailed, match=reason) as failure:
                await fetcher.fetch(server.url)
        assert not failure.value.retryable
