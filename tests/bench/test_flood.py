"""A load is counted as what came of it, and sent as its times say."""

from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from typing_extensions import override

from bench.flood import Load, Sender
from tests.loopback import QuietHandler, loopback


class Clerk(QuietHandler):
    """Answers as the path says."""

    protocol_version = "HTTP/1.1"

    @override
    def log_message(self, *_args: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        what = self.path.strip("/")
        if what == "broken":
            self.close_connection = True
            return
        self.send_response(200 if what in ("good", "chunked", "closing") else 503)
        if what == "full":
            self.send_header("Retry-After", "1")
        if what == "closing":
            self.send_header("Connection", "close")
        if what == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"2\r\nab\r\n")
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")


@pytest.fixture
def url() -> Iterator[str]:
    with loopback(Clerk) as found:
        yield found


def load(url: str, *paths: str, connections: int = 4) -> Load:
    parts = urlsplit(url)
    requests = [f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths]
    return Load(
        str(parts.hostname), int(parts.port or 0), requests, 40, 0.5, connections=connections
    )


def test_each_answer_is_counted_as_what_it_is(url: str) -> None:
    asked = load(url, "good", "full", "chunked", "lost", "closing", "broken")
    count = len(list(asked.due()))
    seen = Sender(asked).run(0.0)  # all of it was due long ago
    assert len(seen.took) == sum(n % 6 in (0, 2, 4) for n in range(count))
    assert len(seen.away) == sum(n % 6 == 1 for n in range(count))
    assert seen.wrong == sum(n % 6 in (3, 5) for n in range(count))
    assert len(seen.late) == count


def test_what_finds_no_connection_free_is_sent_all_the_same(url: str) -> None:
    asked = load(url, "good", connections=1)
    assert len(Sender(asked).run(0.0).took) == len(list(asked.due()))


def test_the_capacity_is_what_was_done(url: str) -> None:
    assert Sender(load(url, "good")).in_turn() > 0
    assert Sender(load(url, "full")).in_turn() == 0


def test_the_times_are_random_and_the_same_each_time() -> None:
    asked = Load("", 0, (), 1_000, 10)
    times = list(asked.due())
    gaps = sorted(later - sooner for sooner, later in pairwise(times))
    assert times == list(asked.due())
    assert 9_500 < len(times) < 10_500
    assert gaps[len(gaps) // 2] == pytest.approx(0.000693, rel=0.1)  # ln 2 of the mean
    assert times != list(Load("", 0, (), 1_000, 10, seed=2).due())
