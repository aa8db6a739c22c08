"""The bench counts and reports correctly; what it measures is the machine's affair."""

import asyncio
import os
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from bench import floor, formats, machine, report
from bench.flood import Seen
from bench.load import Latency, many, open_loop, sequential
from bench.overload import in_the_middle, recovered
from bench.wire import Wire
from shared.contracts.ingest import UPLOAD_TYPES


class Slow:
    """A server that takes its time, and counts."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.sent = 0
        self.at_once = 0
        self.most_at_once = 0
        self._seconds = seconds

    async def __call__(self) -> None:
        self.sent += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self._seconds)
        self.at_once -= 1


async def test_a_sequence_sends_one_after_the_other() -> None:
    send = Slow(0.002)
    found = await sequential(send, 5)
    assert (send.sent, send.most_at_once, found.count) == (5, 1, 5)
    assert found.p99 >= found.p50 >= 2


async def test_an_open_loop_does_not_wait_for_answers() -> None:
    send = Slow(0.2)
    found = await open_loop(send, rate=100, seconds=0.1)
    assert (send.sent, found.count) == (10, 10)
    assert send.most_at_once > 1


async def test_many_clients_share_the_work() -> None:
    send = Slow(0.001)
    assert await many(send, 20, at_once=4) > 0
    assert send.sent == 20
    assert 1 < send.most_at_once <= 4


async def test_a_failing_request_ends_the_measurement() -> None:
    async def fail() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await sequential(fail, 3)


def test_the_floor_answers() -> None:
    with floor.running() as url:
        assert httpx.get(url, trust_env=False, timeout=60).json() == {"status": "ok"}
        assert httpx.post(url, json={}, trust_env=False, timeout=60).status_code == 200


def test_the_floor_of_lists_returns_what_it_was_given(tmp_path: Path) -> None:
    listing = tmp_path / "list.json"
    listing.write_text('[{"id": "a"}]')
    with floor.running(listing) as url:
        assert httpx.get(url.replace("/floor", "/list"), trust_env=False).json() == [{"id": "a"}]


async def test_the_wire_keeps_its_connections_and_tells_what_came() -> None:
    with floor.running() as url:
        async with Wire(url, "token") as wire:
            first = await wire.send(wire.request("POST", "/floor", {"a": 1}))
            again = await wire.send(wire.request("GET", "/floor"))
            lost = await wire.send(wire.request("GET", "/nowhere"))
            with pytest.raises(RuntimeError, match="404"):
                await wire.good(wire.request("GET", "/nowhere"))
    assert (first.status, again.body) == (200, b'{"status":"ok"}')
    assert (lost.status, lost.turned_away) == (404, False)


def test_all_is_well_again_once_two_slices_in_a_row_are() -> None:
    slow, quick = 900.0, 20.0
    seen = Seen([(0.1, slow), (0.6, quick), (1.1, slow), (1.6, quick), (2.1, quick), (2.9, slow)])
    assert recovered(seen, 3.0, 100.0) == 1.5
    assert recovered(Seen([(0.1, slow)], away=[0.9]), 3.0, 100.0) == 1.0
    assert recovered(Seen([(n / 2, slow) for n in range(6)]), 3.0, 100.0) == 3.0
    assert recovered(Seen(), 3.0, 100.0) == 0


def test_what_was_due_while_connections_were_opened_can_be_left_out() -> None:
    seen = Seen([(0.2, 900.0), (0.5, 5.0), (1.5, 7.0)], away=[0.1, 0.6]).since(0.5)
    assert seen.took == [(0.0, 5.0), (1.0, 7.0)]
    assert seen.away == pytest.approx([0.1])


def test_what_a_load_came_to_is_told_by_the_second() -> None:
    seen = Seen([(0.5, 900.0), (1.5, 600.0), (1.9, 20.0)], away=[0.1])
    assert seen.within(2.0) == 2
    shown = seen.shown(2.0)
    assert (seen.p95, shown["done per second"], shown["turned away per second"]) == (900, 1.5, 0.5)


def test_a_figure_of_several_rounds_is_the_one_in_the_middle() -> None:
    rounds = [{"p95": each, "failed": failed} for each, failed in ((3.0, 0), (900.0, 1), (2.0, 0))]
    assert in_the_middle(rounds) == {"p95": 3.0, "failed": 1}


def test_memory_is_counted_once_per_shared_page() -> None:
    found = machine.memory(os.getpid())
    assert 0 < found["pss_mb"] <= found["rss_mb"]


def test_the_page_shows_every_figure_beside_its_floor() -> None:
    took = Latency(p50=1.234, p99=250.4, count=10, per_second=99.5)
    figures = {
        "machine": {"CPU": "2 x fast"},
        "stack": {"idle PSS of all processes, MB": 236.4},
        "http": {
            "GET one": {
                "product": {"p50": took.p50, "p99": took.p99, "per_second": took.per_second},
                "floor": {"p50": 0.5, "p99": 0.75, "per_second": 1000},
            }
        },
        "formats": {
            ".pdf": {
                "documents_per_second": 12.34,
                "megabytes_per_second": 0.5,
                "chunks_per_second": 100,
                "peak_mb": 250.4,
            }
        },
        "first_tokens": [{"chats at once": 16, "added p50": 7.25}],
        "retrieval": [{"chunks": 50_000, "p99 ms": 31.4}],
        "rebuild": {"bots": {"events": 10, "seconds": 0.5, "per_second": 20.0}},
        "webhooks": {"one after another": asdict(took)},
        "feed": {**asdict(took), "subscribers": 500, "lost": 0},
        "hot paths": {"list of 50": {"of the floor, 16 at once": 0.3571}},
        "ingestion": {"large text": {"peak MB of one, worker": 169.21}},
        "overload": {"reads": {"failed": 0}},
        "simple read models": {"floor: rows copied per second": 250_000},
        "streams": {"kB each": 47.11},
        "statistics": {
            "events": {"little": 1_000, "much": 1_000_000},
            "appended per second": 5_000,
            "rebuilt per second": 20_000,
            "routes": {"overview": {"little": asdict(took), "much": asdict(took)}},
        },
    }
    page = report.page(figures)
    assert "| CPU | 2 x fast |" in page
    assert "| idle PSS of all processes, MB | 236 |" in page
    assert "| GET one | 1.23 | 250 | 99.5 | 0.5 | 0.75 |" in page
    assert "| bots | 10 | 0.50 | 20 |" in page
    assert "| chats at once | added p50 |\n| --- | --- |\n| 16 | 7.25 |" in page
    assert "| 50,000 | 31.4 |" in page
    assert "| webhooks, one after another | 1.23 | 250 | 99.5 |" in page
    assert "| event feed, 500 subscribers, 0 lost | 1.23 | 250 | 99.5 |" in page
    assert "| overview | 1.23 | 250 | 1.23 | 250 |" in page
    assert "p50 ms, 1,000,000 events" in page
    assert "| list of 50: of the floor, 16 at once | 0.357 |" in page
    assert "| large text: peak MB of one, worker | 169 |" in page
    assert "| reads: failed | 0 |" in page
    assert "| floor: rows copied per second | 250,000 |" in page
    assert "| kB each | 47.1 |" in page
    assert "| .pdf | 12.3 | 0.5 | 100 | 250 |" in page


def test_every_format_but_pictures_is_measured() -> None:
    wanted = {kind for kind in UPLOAD_TYPES.values() if not kind.startswith("image/")}
    assert {UPLOAD_TYPES[ending] for ending in formats.files(1)} == wanted


async def test_a_format_is_read_and_what_its_workers_held_is_known() -> None:
    data = formats.files(3)[".docx"]
    [found] = (await formats.measure({".docx": data}, count=2)).values()
    assert min(asdict(found).values()) > 0
    assert found.peak_mb > 20
