"""Receivers that behave and that do not: whatever they do, one answer comes of it, in time."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime

import pytest

from services.webhooks.adapters.http_sender import EXCERPT, HttpSender
from services.webhooks.adapters.targets import refused
from services.webhooks.ports import Answer
from shared.adapters.egress import egress_client
from shared.kernel.clock import utc_now
from tests.unit.servers import Conversation, Talk, serving

PATIENT, IMPATIENT = 120.0, 1.0
"""Seconds for an answer: no machine is too slow for the ones, and nothing comes in the others."""


@asynccontextmanager
async def waiting(seconds: float) -> AsyncIterator[HttpSender]:
    async with egress_client(
        allow_loopback=True, timeout=seconds, max_redirects=0, max_body=65_536
    ) as client:
        yield HttpSender(client, seconds=seconds)


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    async with waiting(PATIENT) as made:
        yield made


@pytest.fixture
async def hurried() -> AsyncIterator[HttpSender]:
    async with waiting(IMPATIENT) as made:
        yield made


async def send(sender: HttpSender, talk: Talk) -> Answer:
    async with serving(talk) as server:
        answer = await sender.send(f"{server.url}/hook", {"webhook-id": "m1"}, b'{"a":1}')
        assert server.connections == 1
    return answer


async def test_it_posts_headers_and_body_as_they_are(sender: HttpSender) -> None:
    async def talk(conversation: Conversation) -> None:
        assert (conversation.method, conversation.path) == ("POST", "/hook")
        assert conversation.body == b'{"a":1}'
        assert conversation.headers["webhook-id"] == "m1"
        await conversation.answer(200, b"thanks")

    answer = await send(sender, talk)
    assert (answer.status_code, answer.text, answer.error) == (200, "thanks", None)
    assert answer.duration_ms > 0


@pytest.mark.parametrize("status", [404, 410, 500])
async def test_a_status_is_an_answer(sender: HttpSender, status: int) -> None:
    answer = await send(sender, lambda conversation: conversation.answer(status, b"no"))
    assert (answer.status_code, answer.text, answer.error) == (status, "no", None)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(sender: HttpSender, status: int) -> None:
    async def talk(conversation: Conversation) -> None:
        await conversation.answer(status, b"", {"Location": "/elsewhere"})

    answer = await send(sender, talk)
    assert (answer.status_code, answer.error) == (status, None)


async def test_one_that_hangs_is_left_in_time(hurried: HttpSender) -> None:
    answer = await send(hurried, Conversation.hang)
    assert answer.status_code is None
    assert answer.error
    assert "within 1 seconds" in answer.error or "cannot be reached" in answer.error


async def test_one_that_drips_its_headers_is_left_in_time(hurried: HttpSender) -> None:
    async def talk(conversation: Conversation) -> None:
        await conversation.send(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            await conversation.send(b"y")
            await asyncio.sleep(0.1)

    answer = await send(hurried, talk)
    assert (answer.status_code, answer.error) == (None, "no answer within 1 seconds")


async def test_one_that_drips_its_body_has_answered_all_the_same() -> None:
    async def talk(conversation: Conversation) -> None:
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nbegin")
        while True:
            await asyncio.sleep(0.1)
            await conversation.send(b".")

    async with waiting(2 * IMPATIENT) as hurried:
        answer = await send(hurried, talk)
    assert (answer.status_code, answer.error) == (200, None)
    assert answer.text.startswith("begin")


async def test_of_a_huge_body_only_the_beginning_is_read(sender: HttpSender) -> None:
    sent = 0

    async def talk(conversation: Conversation) -> None:
        nonlocal sent
        await conversation.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            await conversation.send(b"x" * 1_000_000)
            sent += 1

    answer = await send(sender, talk)
    assert answer.status_code == 500
    assert answer.text == "x" * EXCERPT
    assert sent < 100


async def test_a_compressed_bomb_is_not_blown_up(sender: HttpSender) -> None:
    bomb = gzip.compress(bytes(50_000_000))

    async def talk(conversation: Conversation) -> None:
        await conversation.answer(200, bomb, {"Content-Encoding": "gzip"})

    answer = await send(sender, talk)
    assert answer.status_code == 200
    assert len(answer.text) <= EXCERPT


async def test_nul_and_broken_letters_can_be_kept(sender: HttpSender) -> None:
    answer = await send(sender, lambda conversation: conversation.answer(200, b"a\x00b\xff"))
    assert answer.text == "a\ufffdb\ufffd"


@pytest.mark.parametrize("said", [b"", b"HTTP/9.9 what\r\n\r\n", b"HTTP/1.1 200 OK\r\nbroken"])
async def test_one_that_speaks_no_http_is_told_in_words(sender: HttpSender, said: bytes) -> None:
    answer = await send(sender, lambda conversation: conversation.send(said))
    assert answer.status_code is None
    assert answer.error
    assert answer.error.startswith("the receiver cannot be reached: ")


async def test_nobody_there_is_told_in_words(sender: HttpSender) -> None:
    async with serving(Conversation.hang) as server:
        url = server.url
    answer = await sender.send(url, {}, b"")
    assert answer.status_code is None
    assert "cannot be reached" in (answer.error or "")


async def test_an_address_that_is_not_allowed_is_told_in_words() -> None:
    async with egress_client(timeout=PATIENT, max_redirects=0) as client:
        answer = await HttpSender(client, seconds=PATIENT).send("http://127.0.0.1:1/", {}, b"")
    assert "127.0.0.1 may not be reached" in (answer.error or "")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("soon", None), ("-5", None), ("", None), ("9" * 400, 999_999_999)],
)
async def test_it_tells_how_long_the_receiver_asks_to_wait(
    sender: HttpSender, header: str, seconds: float | None
) -> None:
    async def talk(conversation: Conversation) -> None:
        await conversation.answer(429, b"", {"Retry-After": header})

    assert (await send(sender, talk)).retry_after == seconds


async def test_the_receiver_may_name_a_date(sender: HttpSender) -> None:
    at = utc_now() + timedelta(hours=2)

    async def talk(conversation: Conversation) -> None:
        await conversation.answer(503, b"", {"Retry-After": format_datetime(at, usegmt=True)})

    found = (await send(sender, talk)).retry_after
    assert found is not None
    assert 6000 < found <= 7200


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.com/hook", None),
        ("https://example.com:443/hook", None),
        ("https://example.com:8443/hook", "port 8443"),
        ("http://127.0.0.1/", "a loopback address"),
        ("http://localhost/", "a loopback address"),
        ("http://[::1]/", "a loopback address"),
        ("http://10.0.0.8/", "a private address"),
        ("http://169.254.169.254/latest", "a link-local address"),
        ("https://user:password@example.com/", "no user or password"),
        ("http://:80/", "names no host"),
        ("http://a:b:c/", "not an address"),
    ],
)
def test_what_can_never_be_reached_is_refused_at_once(url: str, reason: str | None) -> None:
    found = refused(url, allow_loopback=False)
    assert found is None if reason is None else reason in (found or "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://localhost:9/"])
def test_loopback_may_be_allowed(url: str) -> None:
    assert refused(url, allow_loopback=True) is None
